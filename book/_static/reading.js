/* Where a reader is in the book, kept in this browser and nowhere else: chapters read to their end are marked in the list,
   and the first page offers to go on. Without this script, or where a browser keeps nothing, all is as it was. */
document.addEventListener("DOMContentLoaded", () => {
  const KEY = "meta1-book-reading";
  let kept;
  try {
    kept = { read: [], ...JSON.parse(localStorage.getItem(KEY) || "{}") };
  } catch {
    return;
  }
  const keep = () => { try { localStorage.setItem(KEY, JSON.stringify(kept)); } catch { /* a private window */ } };
  const name = (url) => new URL(url, location.href).pathname.split("/").slice(-2).join("/").replace(/\.html$/, "");
  const here = name(location.href);
  const article = document.querySelector("article.bd-article");

  const mark = () => document.querySelectorAll(".bd-sidebar-primary .bd-links a").forEach((link) => {
    const read = kept.read.includes(name(link.href));
    link.classList.toggle("was-read", read);
    const said = link.querySelector(".said-read");
    if (read && !said) link.insertAdjacentHTML("beforeend", '<span class="said-read visually-hidden"> (read)</span>');
    if (!read) said?.remove();
  });
  mark();

  if (/^notebooks\/\d\d-/.test(here) && article) {
    const title = article.querySelector("h1")?.firstChild?.textContent.trim() ?? here;
    const headings = [...article.querySelectorAll("h2")];
    const end = article.querySelector(".section:last-of-type, section:last-of-type section:last-of-type") ?? article;
    let waiting = false;
    const note = () => {
      waiting = false;
      const above = headings.filter((h) => h.getBoundingClientRect().top < innerHeight / 2).pop();
      kept.last = {
        page: here, title,
        at: above?.parentElement.id ?? "", heading: above?.firstChild?.textContent.trim() ?? "",
      };
      if (end.getBoundingClientRect().bottom < innerHeight + 40 && scrollY > 0 && !kept.read.includes(here)) {
        kept.read.push(here);
        mark();
      }
      keep();
    };
    addEventListener("scroll", () => { if (!waiting) { waiting = true; setTimeout(note, 250); } }, { passive: true });
    setTimeout(note, 250);  // not at once: to ask where things are, the page would have to be laid out here and now
  }

  const place = document.getElementById("go-on");
  if (place && kept.last) {
    const chapters = [...document.querySelectorAll('.bd-sidebar-primary a[href*="notebooks/"]')];
    const at = chapters.findIndex((chapter) => name(chapter.href) === kept.last.page);
    const next = kept.read.includes(kept.last.page) ? chapters[at + 1] : null;
    const link = document.createElement("a");
    link.href = next ? next.href : `../${kept.last.page}.html${kept.last.at ? "#" + kept.last.at : ""}`;
    link.textContent = next ? next.firstChild.textContent.trim() : [kept.last.title, kept.last.heading].filter(Boolean).join(": ");
    const forget = document.createElement("button");
    forget.type = "button";
    forget.textContent = "Forget";
    forget.title = "Where you are is kept in this browser only";
    forget.onclick = () => { localStorage.removeItem(KEY); kept = { read: [] }; place.hidden = true; mark(); };
    const read = chapters.filter((chapter) => kept.read.includes(name(chapter.href))).length;
    place.append("Go on with ", link, ` · ${read} of ${chapters.length} chapters read `, forget);
    place.hidden = false;
  }
});
