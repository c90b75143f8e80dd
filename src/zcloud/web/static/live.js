// One stream of events for all tabs of a browser: the tab that holds the lock listens and tells the others.
const channel = new BroadcastChannel("zcloud-live");

// onEvent gets an event, or null where something may have been missed; onState whether the stream is open.
export function listen(onEvent, onState) {
  let wasLive = false; // until then changes since the page was made went by unheard
  const tell = ({ event, live }) => {
    if (live !== undefined) onState(live);
    if (event !== undefined || (live && !wasLive)) onEvent(event ?? null);
    wasLive ||= live === true;
  };
  channel.addEventListener("message", (message) => (message.data.ask ? answer?.() : tell(message.data)));
  channel.postMessage({ ask: true });
  const everybody = (message) => {
    tell(message);
    channel.postMessage(message);
  };
  if (navigator.locks) navigator.locks.request("zcloud-live", () => lead(everybody));
  else lead(everybody);
}

let answer = null;

function lead(tell) {
  const source = new EventSource("/live");
  let opened = false;
  answer = () => channel.postMessage({ live: source.readyState === EventSource.OPEN });
  source.addEventListener("open", () => {
    tell(opened ? { live: true, event: null } : { live: true });
    opened = true;
  });
  source.addEventListener("error", () => tell({ live: false }));
  source.addEventListener("message", (message) => tell({ event: JSON.parse(message.data) }));
  source.addEventListener("missed", () => tell({ event: null }));
  addEventListener("pagehide", () => source.close());
  return new Promise(() => {});
}
