/* A list that was opened over the page gives the keyboard back to its button when it closes. The theme means to do so, but
   moves what it showed back to its place afterwards, and the keyboard is lost with it. */
document.addEventListener("close", (event) => {
  const kind = ["primary", "secondary"].find((name) => event.target.id === `pst-${name}-sidebar-modal`);
  if (kind) setTimeout(() => document.querySelector(`.${kind}-toggle`).focus());
}, true);
