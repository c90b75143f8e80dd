// Runs before the first paint: where nobody chose, the page is as dark as the system.
const root = document.documentElement;
if (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches) root.classList.add("pf-v6-theme-dark");
