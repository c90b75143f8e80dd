// The launch page: rows that come and go, what is wrong under its field, and Ctrl+Enter.
const form = document.getElementById("launch");
const changed = () => form.dispatchEvent(new Event("change", { bubbles: true }));

form.addEventListener("click", (event) => {
  const add = event.target.closest("[data-add]");
  const drop = event.target.closest("[data-drop]");
  if (add) {
    const rows = document.getElementById(add.dataset.add);
    rows.append(document.getElementById(`new-${add.dataset.add}`).content.cloneNode(true));
    rows.lastElementChild.querySelector("input, select").focus();
  }
  if (drop) drop.closest("[data-row]").remove();
  if (add || drop) changed();
});

// Which images and networks there are depends on the project: the page is asked for anew.
form.addEventListener("change", (event) => {
  if ("anew" in event.target.dataset)
    location.search = new URLSearchParams({ project: event.target.value, name: form.elements.name.value });
});

// A file of answers is put into its field, where it can be read and changed before it is sent.
form.addEventListener("change", async (event) => {
  const { fill } = event.target.dataset;
  if (!fill || !event.target.files.length) return;
  form.elements[fill].value = await event.target.files[0].text();
  changed();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "plan") return;
  for (const told of form.querySelectorAll("[data-told]")) told.hidden = true;
  const wrong = event.detail.target.querySelector("[data-field]");
  const place = wrong && form.querySelector(`[data-told="${CSS.escape(wrong.dataset.field)}"]`);
  if (!place) return;
  place.replaceChildren(...wrong.cloneNode(true).childNodes);
  place.hidden = false;
});
