// A trainee's terminal, to look at. xterm.js (window.Terminal) draws it; nothing is ever sent.

const { trainee } = document.querySelector("main.one").dataset;
const prefix = document.body.dataset.prefix;
const screen = document.getElementById("screen");
const looking = document.getElementById("looking");
const buttons = [...document.querySelectorAll("button[data-terminal]")];
let socket, shown;

function end(text) {
  socket?.close();
  socket = undefined;
  looking.textContent = text;
  for (const button of buttons) button.setAttribute("aria-pressed", "false");
}

function look(button) {
  end("");
  shown?.dispose();
  const name = button.dataset.terminal;
  const terminal = shown = new window.Terminal({
    disableStdin: true, screenReaderMode: true, convertEol: false, fontSize: 13,
    fontFamily: '"Source Code Pro", "DejaVu Sans Mono", monospace', theme: { background: "#14181c", foreground: "#d5dade" },
  });
  screen.hidden = false;
  terminal.open(screen);
  // What is drawn there is not for the keyboard: the region around it scrolls by keys.
  for (const input of screen.querySelectorAll("textarea")) { input.tabIndex = -1; input.disabled = true; input.setAttribute("aria-label", "takes no input"); }
  button.setAttribute("aria-pressed", "true");
  looking.textContent = `looking at terminal ${name}`;
  const address = new URL(`${prefix}trainee/${trainee}/terminal/${name}`, location);
  address.protocol = address.protocol.replace("http", "ws");
  const mine = socket = new WebSocket(address);
  mine.onmessage = ({ data }) => {
    const [kind, ...rest] = JSON.parse(data);
    if (kind === "stdout") terminal.write(rest[0]);
    else if (kind === "size") terminal.resize(rest[1], rest[0]);
  };
  mine.onclose = ({ reason }) => { if (mine === socket) end(reason || "the terminal has ended, or its server"); };
}

for (const button of buttons) {
  button.addEventListener("click", () => button.getAttribute("aria-pressed") === "true" ? end("no longer looking") : look(button));
  button.disabled = false;
}
