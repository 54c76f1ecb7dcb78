//! Adapts the shipped files for a host to the configuration. In: a host, and the variables that the
//! configuration reads. Out: files, each with its path, and the steps to deploy them.

use super::options::DeployTo;
use super::sample::{QUEUE_ORIGIN, Sample};

const TEMPLATE: &str = include_str!("../../../../template.yaml");
const DOCKERFILE: &str = include_str!("../../../../deploy/container/Dockerfile");
const KNATIVE: &str = include_str!("../../../../deploy/knative/service.yaml");
const SCF: &str = include_str!("../../../../deploy/scf/scf_bootstrap");
/// A shipped file for Azure Functions: its path in the app, and its text.
macro_rules! azure {
    ($path:literal) => {
        (
            $path,
            include_str!(concat!("../../../../deploy/azure/", $path)),
        )
    };
}
const AZURE: [(&str, &str); 5] = [
    azure!("host.json"),
    azure!("hooks/function.json"),
    azure!("events/function.json"),
    azure!("Sweep/function.json"),
    azure!("Drift/function.json"),
];
/// What belongs neither into version control nor into a package, also what the commands of
/// docs/operations.md write.
pub(super) const PRIVATE: &str =
    "/.env\n/journal\n/backup\n/broken\n/sandbox\n/*.key\n/*.secret\n/*.old\n";
/// The function for queue messages, which only a folder with the source `queue` gets.
const AZURE_QUEUE: (&str, &str) = azure!("Requests/function.json");

/// The origins of the queue's messages: the sample's variable, and for Azure its function. Omits
/// the variable if Azure is the only host with a queue.
pub(super) fn queue_origins(hosts: &[DeployTo]) -> Vec<&'static str> {
    let azure = hosts.contains(&DeployTo::Azure);
    let variable = !azure || hosts.contains(&DeployTo::Lambda);
    let variable = variable.then_some(QUEUE_ORIGIN).into_iter();
    variable.chain(azure.then_some("azure:Requests")).collect()
}

/// The files of a host, each as its path and its text.
pub(super) fn files(
    host: DeployTo,
    variables: &[String],
    has_queue: bool,
) -> Vec<(String, String)> {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    match host {
        DeployTo::Lambda => vec![("template.yaml".to_owned(), template(variables))],
        DeployTo::Container => vec![
            ("Dockerfile".to_owned(), dockerfile()),
            (".dockerignore".to_owned(), ignored()),
        ],
        DeployTo::Knative => vec![("service.yaml".to_owned(), KNATIVE.to_owned())],
        DeployTo::Scf => vec![("scf_bootstrap".to_owned(), SCF.to_owned())],
        DeployTo::Azure => {
            let queue = Some(&AZURE_QUEUE).filter(|_| has_queue);
            let ignore = [(".funcignore".to_owned(), ignored())];
            let shipped = AZURE.iter().chain(queue).map(owned);
            shipped.chain(ignore).collect()
        }
    }
}

/// What no image and no publication contains: what is private, and the test cases, which have
/// real tickets.
fn ignored() -> String {
    format!("{}policy/cases\n", PRIVATE.replace('/', ""))
}

/// The template for AWS Lambda. Replaces the sample's names in its list of secrets by `variables`,
/// except the variable of the queue's ARN, which the template itself sets.
fn template(variables: &[String]) -> String {
    const SAMPLE: &str =
        "              - JIRA_WEBHOOK_SECRET\n              - GITHUB_WEBHOOK_SECRET\n";
    let secrets = variables
        .iter()
        .filter(|name| *name != "SHAREHOOK_QUEUE_ARN");
    let names: String = secrets
        .map(|name| format!("              - {name}\n"))
        .collect();
    let text = TEMPLATE.replace(SAMPLE, &names);
    // `scripts/package` makes the package in a checkout of sharehook, so the template has no build.
    text.replace("SHAREHOOK_PACKAGE_CONFIG=FILE sam build && ", "")
        .replace("CodeUri: deploy/aws", "CodeUri: bootstrap.zip")
        .replace("    Metadata:\n      BuildMethod: makefile\n", "")
}

/// The Dockerfile for a folder with the static binary. Keeps only the last stage of the shipped
/// Dockerfile, because nothing needs to be built. The image's user may read each file, also if the
/// folder was made with a umask that lets only its owner read.
fn dockerfile() -> String {
    let stage = DOCKERFILE
        .split_once("FROM scratch\n")
        .map_or(DOCKERFILE, |(_, stage)| stage);
    let stage = stage
        .replace(
            "COPY --from=build /build/target/release/sharehook ",
            "COPY --chmod=555 sharehook ",
        )
        .replace(
            "COPY --from=build /bundle/ /\n",
            "COPY --chmod=555 sharehook.toml /sharehook.toml\n\
             COPY --chmod=555 policy /policy\n\
             COPY --chmod=555 maps /maps\n",
        );
    format!(
        "# The binary and what its configuration names, nothing else: no shell, no libc, no CA bundle.\n\
         # Build it in this folder, with the static binary in it as `sharehook`: docker build -t sharehook .\n\
         # Docker before version 23: DOCKER_BUILDKIT=1 docker build -t sharehook .\n\
         FROM scratch\n{stage}"
    )
}

/// How to deploy the files of a host, as an item of the folder's README.
fn steps(host: DeployTo) -> &'static str {
    match host {
        DeployTo::Lambda => {
            "AWS Lambda: in a checkout of sharehook run `scripts/package --config PATH/sharehook.toml`, copy\n\
             `target/package/bootstrap.zip` into this folder, and run `sam deploy --guided` here. Before\n\
             that create a secret in Secrets Manager, a JSON object with a field for each name below\n\
             `Fn::ForEach::Secrets` in `template.yaml`, and give its ARN as `SecretArn`. For a new `env:NAME`, add the\n\
             field to the secret, then the name there, and deploy again."
        }
        DeployTo::Container => {
            "Container: put the static binary into this folder as `sharehook`, and run `docker build -t sharehook .`. Start\n\
             it with the variables below. Run `sharehook drift --scheduled` once a day beside it: it compares the\n\
             cloud with the journal."
        }
        DeployTo::Knative => {
            "Knative: make the image (`--host container` writes its Dockerfile) and a secret `sharehook` with the\n\
             variables below; set image and bucket in `service.yaml`, and run `kubectl apply -f service.yaml`.\n\
             Let a CronJob run `sharehook drift --scheduled` once a day: it compares the cloud with the journal.\n\
             Cloud Run needs another file: `deploy/cloud-run/` in the repository."
        }
        DeployTo::Azure => {
            "Azure Functions: put the static binary beside `host.json` as `sharehook`, set the variables below in the\n\
             app, and run `func azure functionapp publish APP --custom` here."
        }
        DeployTo::Scf => {
            "Tencent SCF: run `sharehook bundle package`, and put the static binary into `package` as `sharehook`, and\n\
             `scf_bootstrap` as `scf_bootstrap` and as `bootstrap`. Zip what is in `package`, and create of it a web\n\
             function for the webhooks, and an event function with a timer of five minutes, which ends expired\n\
             shares: a web function takes no timer event. Add a daily timer with the message `{\"task\":\"drift\"}`,\n\
             which compares the cloud with the journal. Give both functions an execution role."
        }
    }
}

/// What to add to the stack for sources whose triggers `template.yaml` does not make.
fn more_triggers(sample: &Sample) -> String {
    let mut text = String::new();
    if sample.has("eventbridge") {
        text += "\nThe template makes no trigger for `eventbridge`: add a rule to the `Events` of its function, with\n\
                 the source that `from` names. `EventBusName` names another bus than the default one.\n\n\
                 ```yaml\n\
                 Approvals:\n\
                 \x20 Type: EventBridgeRule\n\
                 \x20 Properties:\n\
                 \x20   Pattern: { source: [com.example.approvals] }\n\
                 ```\n";
    }
    if sample.has("stepfunctions") || sample.has("invoke") {
        text += "\nAllow `lambda:InvokeFunction` to the role of your state machine, or to the program that invokes\n\
                 the function. The stack's output `FunctionArn` names the function.";
    }
    text
}

/// The variables that hosts other than Lambda need. On Lambda, `template.yaml` sets them.
fn needed_variables(hosts: &[DeployTo]) -> String {
    let which = match hosts.contains(&DeployTo::Lambda) {
        true if hosts.iter().all(|host| *host == DeployTo::Lambda) => return String::new(),
        true => "Each host except AWS Lambda",
        false => "Each host",
    };
    format!(
        "{which} needs these variables:\n\n\
         - those of `.env`;\n\
         - `SHAREHOOK_JOURNAL=s3://BUCKET/PREFIX` (or `az://`, `gs://`) and the bucket's credentials: a function loses\n\
         \x20 the folder `journal` with its instance;\n\
         - `SHAREHOOK_SEAL_KEY`: the output of `openssl rand -base64 32`, of which you keep a copy;\n\
         - the cloud's credentials: `TENCENTCLOUD_SECRET_ID` and `TENCENTCLOUD_SECRET_KEY`, unless the host has a role.\n\n"
    )
}

/// The README's section about the deployment to these hosts.
pub(super) fn deployment(hosts: &[DeployTo], sample: &Sample) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    let mut named: Vec<String> = Vec::new();
    for host in hosts {
        let mut step = steps(*host).to_owned();
        if *host == DeployTo::Lambda {
            step += &more_triggers(sample);
        }
        if !named.contains(&step) {
            named.push(step);
        }
    }
    let steps: String = named
        .into_iter()
        .map(|step| format!("- {}\n", step.trim_end().replace('\n', "\n  ")))
        .map(|item| item.replace("\n  \n", "\n\n"))
        .collect();
    let variables = needed_variables(hosts);
    format!(
        "\n## Deploy\n\n{steps}\n\
         {variables}\
         The static binary, and what else each host needs: `docs/hosts.md` and `deploy/` in the repository.\n\
         `sharehook check` reads these files too.\n"
    )
}
