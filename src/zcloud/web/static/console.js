// The console page: a serial terminal or a screen over the websocket that a one-time ticket opens.
const frame = document.getElementById("console");
const screen = frame.querySelector("[data-screen]");
const status = frame.querySelector("[data-status]");
const parts = await import(frame.dataset.module);
let open = null;

async function address(force) {
  const body = new URLSearchParams({ kind: frame.dataset.console, ...(force && { force: "1" }) });
  const answer = await fetch(frame.dataset.ticket, { method: "POST", body, headers: { "HX-Request": "true" } });
  if (!answer.ok) {
    const told = new DOMParser().parseFromString(await answer.text(), "text/html");
    throw new Error(told.body.textContent.replace(/\s+/g, " ").trim());
  }
  const url = new URL((await answer.json()).url, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

function tell(text, good) {
  status.textContent = text;
  frame.dataset.state = good ? "open" : "closed";
}

function serial(url) {
  const terminal = new parts.Terminal({
    fontFamily: "JetBrains Mono, monospace",
    fontSize: 13,
    screenReaderMode: true,
    cursorBlink: true,
    theme: { background: "#0b0b0b", foreground: "#e0e0e0" },
  });
  const fit = new parts.FitAddon();
  const socket = new WebSocket(url);
  const bytes = new TextEncoder();
  terminal.loadAddon(fit);
  terminal.open(screen);
  fit.fit();
  const resize = () => fit.fit();
  addEventListener("resize", resize);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    tell(frame.dataset.open, true);
    terminal.focus();
  });
  socket.addEventListener("message", (message) => terminal.write(new Uint8Array(message.data)));
  socket.addEventListener("close", (event) => tell(event.reason || frame.dataset.lost, false));
  terminal.onData((data) => socket.readyState === WebSocket.OPEN && socket.send(bytes.encode(data)));
  terminal.onBinary((data) => socket.send(Uint8Array.from(data, (each) => each.charCodeAt(0))));
  return () => {
    removeEventListener("resize", resize);
    socket.close();
    terminal.dispose();
  };
}

function picture(url) {
  const rfb = new parts.RFB(screen, url);
  rfb.scaleViewport = true;
  rfb.background = "#0b0b0b";
  rfb.addEventListener("connect", () => {
    tell(frame.dataset.open, true);
    rfb.focus();
  });
  rfb.addEventListener("disconnect", () => tell(frame.dataset.lost, false));
  picture.rfb = rfb;
  return () => rfb.disconnect();
}

async function connect(force = false) {
  open?.();
  open = null;
  screen.replaceChildren();
  try {
    const url = await address(force);
    open = frame.dataset.console === "serial" ? serial(url) : picture(url);
  } catch (error) {
    tell(error.message, false);
  }
}

const deeds = {
  reconnect: () => connect(true),
  fullscreen: () => screen.requestFullscreen(),
  cad: () => picture.rfb?.sendCtrlAltDel(),
};
frame.addEventListener("click", (event) => deeds[event.target.closest("[data-do]")?.dataset.do]?.());
await connect();
