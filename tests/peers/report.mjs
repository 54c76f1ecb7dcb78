// Reads the report in a browser. In: the browser, the page's address, its token, its language, a folder for pictures.
// Out: a line of JSON that lists what it showed; exit 1 with the first failed check. `report.py` runs it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [browserPath, url, token, language, pictures] = process.argv.slice(2);
// The page's words in each language.
const words = {
  en: {
    search: "Search", state: "State", clear: "Clear", ends: "Ends", overdue: "overdue", noEnd: "no end", stillShared: "is still shared with",
    rowsMatch: /^\d+ of \d+ rows match\.$/, noneShown: /^0 of \d+ shown$/,
    cut: "the first 1000 of 3220", notSearched: /match\. .*not searched.*audit export/,
  },
  zh: {
    search: "搜索", state: "状态", clear: "清除", ends: "到期", overdue: "逾期", noEnd: "无到期时间", stillShared: "仍然共享给",
    rowsMatch: /^共 \d+ 行，符合条件的有 \d+ 行。$/, noneShown: /^显示 0 \/ \d+$/,
    cut: "共 3220 条，这里是前 1000 条", notSearched: /。 .*搜不到.*audit export/,
  },
}[language];
const modules = process.env.SHAREHOOK_NODE_MODULES;
const require = createRequire(path.join(modules, "here.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(path.join(modules, "axe-core", "axe.min.js"), "utf8");
const shown = [];

const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-gpu"] });

// Opens the page with a password, as a person does. The test fails if the page loads anything else, or if the browser
// logs a problem.
const open = async (options) => {
  const context = await browser.newContext({ httpCredentials: { username: "auditor", password: token }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("request", (one) => one.url() === url || complaints.push(`loads ${one.url()}`));
  page.on("console", (one) => complaints.push(one.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  const response = await page.goto(url);
  assert.equal(response.status(), 200);
  assert.equal(await page.getAttribute("html", "lang"), language);
  return { context, page, complaints };
};
const close = async ({ context, complaints }) => {
  // Chromium requests an icon of every site, and logs it if the first answer is 401.
  const real = complaints.filter((text) => !text.includes("favicon") && !text.includes("401"));
  assert.deepEqual(real, []);
  await context.close();
};
const rows = (page, section) => page.locator(`#${section} tbody tr:visible`);
const texts = (page, section, column) => page.locator(`#${section} tbody tr:visible td[data-column="${column}"]`).allInnerTexts();

const desktop = { width: 1280, height: 900 };
const phone = { width: 360, height: 740 };

// Searches, filters and sorts.
{
  const opened = await open({ viewport: desktop });
  const { page } = opened;
  const grants = await rows(page, "grants").count();
  assert.ok(grants >= 8, `${grants} grants`);
  await page.getByLabel(words.search).fill("Mallory lhbp");
  const refused = await rows(page, "refusals").count();
  assert.ok(refused > 0 && (await rows(page, "grants").count()) === 0);
  for (const text of await rows(page, "refusals").allInnerTexts()) assert.match(text, /mallory/);
  assert.match(await page.getByRole("status").innerText(), words.rowsMatch);
  assert.match(await page.locator("#grants .count").innerText(), words.noneShown);
  await page.getByRole("button", { name: words.clear }).click();
  await page.waitForFunction(() => document.getElementById("matches").textContent === "");
  assert.equal(await rows(page, "grants").count(), grants);
  await page.getByLabel(words.state).selectOption(words.overdue);
  assert.deepEqual(await texts(page, "grants", words.state), [words.overdue]);
  await page.getByLabel(words.state).selectOption("");
  shown.push("a search, a filter and a reset show the rows that match, and say how many");

  const ends = async () => texts(page, "grants", words.ends);
  const header = page.locator("#grants").getByRole("columnheader", { name: words.ends });
  await header.getByRole("button").focus();
  await page.keyboard.press("Enter");
  const up = await ends();
  assert.deepEqual(up, [...up].sort((a, b) => (a === words.noEnd ? 1 : b === words.noEnd ? -1 : a < b ? -1 : 1)));
  assert.equal(await header.getAttribute("aria-sort"), "ascending");
  assert.equal(up.at(-1), words.noEnd);
  await page.keyboard.press("Enter");
  assert.deepEqual(await ends(), up.toReversed());
  assert.equal(await header.getAttribute("aria-sort"), "descending");
  shown.push("the keyboard sorts a column up and down; a share without end is last");
  await close(opened);
}

// Searches a page whose list of grants is cut, as one with more than a thousand is.
{
  const opened = await open({ viewport: desktop });
  const { page } = opened;
  await page.evaluate((cut) => { document.querySelector("#grants .count").textContent = cut; }, words.cut);
  await page.getByLabel(words.search).fill("no such ticket");
  const count = await page.locator("#grants .count").innerText();
  assert.ok(count.endsWith(`(${words.cut})`), count);
  assert.match(await page.getByRole("status").innerText(), words.notSearched);
  shown.push("a search in a cut list says that it does not search all");
  await close(opened);
}

// Opens the page on each screen size, and lets axe check it.
for (const [name, viewport] of [["phone", phone], ["desktop", desktop]]) {
  for (const colorScheme of ["light", "dark"]) {
    const opened = await open({ viewport, colorScheme });
    const { page } = opened;
    await page.screenshot({ path: path.join(pictures, `${language}-${name}-${colorScheme}.png`), fullPage: true });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${name}: ${overflow} pixels wider than the screen`);
    const first = await page.getByRole("listitem").filter({ hasText: words.stillShared }).first().boundingBox();
    assert.ok(first.y < 2 * viewport.height, `${name}: what needs attention is at ${first.y}`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    const serious = violations.filter((one) => ["serious", "critical"].includes(one.impact));
    const said = serious.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html).join(" | ")}`);
    assert.deepEqual(said, [], `axe on ${name}, ${colorScheme}`);
    const rest = violations.map((one) => `${one.id} (${one.impact})`).join(", ");
    shown.push(`${name}, ${colorScheme}: fits, and axe finds nothing serious${rest && `; it also says ${rest}`}`);
    await close(opened);
  }
}

// Prints the page, also with a dark screen.
{
  const opened = await open({ viewport: desktop, colorScheme: "dark" });
  const { page } = opened;
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  assert.equal(await page.locator(".filters").isVisible(), false);
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
  await page.setViewportSize({ width: 1032, height: 730 });
  await page.screenshot({ path: path.join(pictures, `${language}-print.png`), fullPage: true });
  await page.pdf({ path: path.join(pictures, `${language}-print.pdf`), preferCSSPageSize: true });
  shown.push("in print it is black on white, without the filters");
  await close(opened);
}

// Opens the page without its script.
{
  const opened = await open({ viewport: desktop, javaScriptEnabled: false });
  assert.equal(await opened.page.locator(".filters").isVisible(), false);
  assert.ok((await rows(opened.page, "grants").count()) >= 8);
  shown.push("without its script it shows every row, and no filters");
  await close(opened);
}

await browser.close();
console.log(JSON.stringify(shown));
