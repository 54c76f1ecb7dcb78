// Signs one delivery with the sender's npm library.
// In: which library, secret, body, unix seconds, as arguments. Out: its headers as JSON.
import { createRequire } from "node:module";
import path from "node:path";

const [library, secret, body, when] = process.argv.slice(2);
const modules = createRequire(path.join(process.env.SHAREHOOK_NODE_MODULES, "_"));
const at = new Date(Number(when) * 1000);

const headers = {
  standardwebhooks() {
    const { Webhook } = modules("standardwebhooks");
    const signature = new Webhook(secret).sign("msg_node1", at, body);
    return { "webhook-id": "msg_node1", "webhook-timestamp": when, "webhook-signature": signature };
  },
  svix() {
    const { Webhook } = modules("svix");
    const signature = new Webhook(secret).sign("msg_node2", at, body);
    return { "svix-id": "msg_node2", "svix-timestamp": when, "svix-signature": signature };
  },
  async octokit() {
    // This library is only an ES module, which `require` of Node 20 cannot load.
    const file = "@octokit/webhooks-methods/dist-node/index.js";
    const { sign } = await import(path.join(process.env.SHAREHOOK_NODE_MODULES, file));
    return { "x-hub-signature-256": await sign(secret, body), "x-github-delivery": "d-node-3" };
  },
};

console.log(JSON.stringify(await headers[library]()));
