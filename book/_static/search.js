/* Search results quote the article. Sphinx would quote the buttons above it, because it looks for the stem
   of a word in the text and, when that is not there ("relai" for "relaying"), begins at the very top. */
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(".headerlink, .picture, script, style").forEach((part) => part.remove());
    const article = page.querySelector("article");
    const place = anchor && article.querySelector(anchor);
    return (place || article).textContent.replace(/\s+/g, " ");
  };
});
