// Times as the viewer reads them: their language, their zone. The server gives UTC, which stays where no script runs.
const language = document.documentElement.lang;
const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });

// data-clock: the time of day only; data-age: how long ago it was is shown, the time itself is its title.
export function localTimes(root) {
  for (const each of root.querySelectorAll("time[datetime]")) {
    const time = new Date(each.dateTime);
    if ("clock" in each.dataset) each.textContent = clock.format(time);
    else if ("age" in each.dataset) each.title = full.format(time);
    else each.textContent = full.format(time);
  }
}
