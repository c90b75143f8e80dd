// htmx, told beforehand to make no inline style and to evaluate nothing: the policy would refuse both.
import htmx from "htmx.org";

Object.assign(htmx.config, {
  allowEval: false,
  includeIndicatorStyles: false,
  selfRequestsOnly: true,
  historyCacheSize: 0,
  scrollIntoViewOnBoost: false,
  responseHandling: [
    { code: "204", swap: false },
    { code: "...", swap: true },
  ],
});
window.htmx = htmx;
