// Makes src/zcloud/web/static/vendor from npm packages: `npm ci && npm run build` in this directory (scripts/assets).

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";
import { PurgeCSS } from "purgecss";

const web = "../src/zcloud/web";
const out = `${web}/static/vendor`;
const npm = "node_modules";

// PatternFly's parts that pages may use; what no template, module or sheet of ours names is left out of them.
const PARTS = [
  "Alert",
  "Breadcrumb",
  "Button",
  "Check",
  "EmptyState",
  "Form",
  "FormControl",
  "HelperText",
  "Label",
  "Masthead",
  "Menu",
  "MenuToggle",
  "ModalBox",
  "Nav",
  "Page",
  "Radio",
  "Skeleton",
  "SkipToContent",
  "Switch",
  "Table",
  "Tabs",
  "TextInputGroup",
  "Title",
  "ToggleGroup",
];
// Symbols of icons.svg; the marks of states are our own, in assets/marks.svg.
const ICONS = [
  "activity",
  "arrow-down",
  "arrow-right",
  "arrow-up",
  "bell",
  "bookmark",
  "calendar-clock",
  "camera",
  "chevron-down",
  "chevron-left",
  "chevron-right",
  "circle-help",
  "columns-3",
  "copy",
  "corner-down-right",
  "database",
  "disc",
  "disc-3",
  "ellipsis",
  "hard-drive",
  "key-round",
  "keyboard",
  "layers",
  "layout-dashboard",
  "list-filter",
  "lock",
  "log-out",
  "menu",
  "monitor",
  "network",
  "pause",
  "pencil",
  "play",
  "plus",
  "power",
  "rotate-cw",
  "scroll-text",
  "search",
  "server",
  "settings",
  "square",
  "stamp",
  "sun-moon",
  "tag",
  "terminal",
  "trash-2",
  "triangle-alert",
  "users",
  "x",
];

async function styles() {
  const pf = `${npm}/@patternfly/patternfly`;
  const names = readdirSync(`${pf}/components`);
  const sheets = PARTS.map((part) => {
    if (!names.includes(part)) throw new Error(`PatternFly has no ${part}`);
    const file = readdirSync(`${pf}/components/${part}`).filter((each) => each.endsWith(".css"));
    return file.map((each) => readFileSync(`${pf}/components/${part}/${each}`, "utf8")).join("\n");
  });
  const css = [readFileSync(`${pf}/patternfly-base.css`, "utf8"), ...sheets].join("\n");
  const content = [`${web}/templates/**/*.html`, `${web}/static/*.js`, `${web}/static/styles/*.css`, `${web}/*.py`];
  const safelist = { standard: ["html", "body", /^pf-v6-theme-dark$/], variables: [] };
  const raw = { raw: css, name: "patternfly" };
  const styles = `${web}/static/styles`;
  const own = readdirSync(styles)
    .map((each) => readFileSync(`${styles}/${each}`, "utf8"))
    .join("\n");
  const used = [...own.matchAll(/var\((--[\w-]+)/g)].map((each) => each[1]);
  safelist.variables = used;
  const [purged] = await new PurgeCSS().purge({
    content,
    css: [raw],
    safelist,
    variables: true,
    keyframes: true,
    fontFace: true,
  });
  const bad = /[^{}]*(glass|felt|high-contrast)[^{}]*\{[^{}]*\}/g;
  const text = purged.css.replace(bad, "").replace(/url\([^)]*\/assets\/[^)]*\)/g, "none");
  writeFileSync(`${out}/patternfly.css`, text);
  await bundle(`${out}/patternfly.css`, `${out}/patternfly.css`, { allowOverwrite: true });
}

function bundle(entry, outfile, more = {}) {
  return build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "warning",
    external: ["*.woff2"],
    ...more,
  });
}

function icons() {
  const symbols = ICONS.map((name) => {
    const svg = readFileSync(`${npm}/lucide-static/icons/${name}.svg`, "utf8");
    const body = svg
      .replace(/^[\s\S]*?<svg[^>]*>/, "")
      .replace("</svg>", "")
      .replace(/\s*\n\s*/g, "");
    const pen = 'fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round"';
    return `<symbol id="${name}" viewBox="0 0 24 24" ${pen}>${body}</symbol>`;
  });
  const marks = readFileSync("marks.svg", "utf8")
    .replace(/^[\s\S]*?<svg[^>]*>/, "")
    .replace("</svg>", "")
    .trim();
  writeFileSync(
    `${out}/icons.svg`,
    `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n${marks}\n</svg>\n`,
  );
}

function fonts() {
  for (const family of ["inter", "jetbrains-mono"]) {
    for (const script of ["latin", "cyrillic"]) {
      copyFileSync(
        `${npm}/@fontsource-variable/${family}/files/${family}-${script}-wght-normal.woff2`,
        `${out}/${family}-${script}.woff2`,
      );
    }
  }
}

function licences() {
  const shipped = {
    "@fontsource-variable/inter": "Inter",
    "@fontsource-variable/jetbrains-mono": "JetBrains Mono",
    "@novnc/novnc": "noVNC",
    "@patternfly/patternfly": "PatternFly",
    "@xterm/addon-fit": "xterm.js, addon fit",
    "@xterm/xterm": "xterm.js",
    "htmx.org": "htmx",
    "lucide-static": "Lucide",
  };
  const texts = Object.entries(shipped).map(([name, title]) => {
    const about = JSON.parse(readFileSync(`${npm}/${name}/package.json`, "utf8"));
    const file = readdirSync(`${npm}/${name}`).find((each) => /^licen[cs]e/i.test(each));
    const text = file ? readFileSync(`${npm}/${name}/${file}`, "utf8").trim() : "";
    return `${title} ${about.version} (${about.license})\n\n${text}\n`;
  });
  writeFileSync(`${out}/LICENSES.txt`, texts.join(`\n${"-".repeat(72)}\n\n`));
}

copyFileSync(`${npm}/axe-core/axe.min.js`, "../tests/browser/axe.min.js");
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
fonts();
icons();
licences();
await styles();
await bundle("htmx.js", `${out}/htmx.js`, { format: "iife" });
await bundle("terminal.js", `${out}/terminal.js`);
await bundle(`${npm}/@xterm/xterm/css/xterm.css`, `${out}/terminal.css`);
await bundle("screen.js", `${out}/screen.js`);
