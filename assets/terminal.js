// xterm.js makes <style> elements, which our policy refuses: their text goes into constructed style sheets, which it allows.
const make = document.createElement.bind(document);
document.createElement = (name, options) => {
  if (String(name).toLowerCase() !== "style") return make(name, options);
  const sheet = new CSSStyleSheet();
  const stand = make("template");
  const text = { get: () => "", set: (css) => sheet.replaceSync(css) };
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperties(stand, { textContent: text, innerHTML: text });
  stand.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
  };
  return stand;
};

export { FitAddon } from "@xterm/addon-fit";
export { Terminal } from "@xterm/xterm";
