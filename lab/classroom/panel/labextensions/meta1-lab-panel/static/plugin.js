// The side of JupyterLab: a panel at the right, its icon, a command in the palette, dialogs and notifications.

import { Api } from "./api.js";
import { Panel } from "./panel.js";

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16" fill="none">
  <g class="jp-icon3" fill="none" stroke="#616161" stroke-width="2" stroke-linejoin="round" stroke-linecap="round">
    <rect x="2.500" y="5" width="19" height="14" rx="2.500"/><path d="M6 9.500l6 4.500 6-4.500"/>
  </g></svg>`;
const ID = "meta1-lab-panel";
const OPEN = "meta1-lab-panel:open";
const NEWS_SECONDS = 4;

export async function makePlugin(need) {
  const [widgets, services, application, apputils, ui] = await Promise.all([
    need("@lumino/widgets"), need("@jupyterlab/services"), need("@jupyterlab/application"),
    need("@jupyterlab/apputils"), need("@jupyterlab/ui-components"),
  ]);
  return {
    id: `${ID}:plugin`,
    autoStart: true,
    requires: [application.ILabShell],
    optional: [application.ILayoutRestorer, apputils.ICommandPalette],
    activate(app, shell, restorer, palette) {
      addStyle();
      const api = new Api(services.ServerConnection, app.serviceManager.serverSettings);
      const panel = new Panel({
        api,
        open: path => app.commands.execute("docmanager:open", { path, factory: "Notebook" }),
        confirm: (title, text, button) => confirm(apputils, title, text, button),
        notify: text => apputils.Notification.info(`Instructor: ${text}`, { autoClose: false }),
      });
      const widget = new widgets.Widget({ node: panel.node });
      widget.id = ID;
      widget.title.icon = new ui.LabIcon({ name: `${ID}:icon`, svgstr: ICON });
      widget.title.caption = "Lab";
      shell.add(widget, "right", { rank: 10 });
      restorer?.add(widget, ID);

      app.commands.addCommand(OPEN, { label: "Show the Lab Panel", execute: () => shell.activateById(ID) });
      palette?.addItem({ command: OPEN, category: "Lab" });
      shell.currentChanged.connect(() => panel.opened(shell.currentWidget?.context?.path));
      app.restored.then(() => {
        firstTime() && shell.activateById(ID);
        panel.begin(NEWS_SECONDS).then(() => panel.opened(shell.currentWidget?.context?.path));
      });
    },
  };
}

function addStyle() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("panel.css", import.meta.url);
  document.head.append(link);
}

// Open the panel by itself once; after that the layout is the reader's.
function firstTime() {
  const known = localStorage.getItem(ID);
  localStorage.setItem(ID, "seen");
  return known === null;
}

async function confirm({ showDialog, Dialog }, title, body, label) {
  const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label })];
  const { button } = await showDialog({ title, body, buttons, defaultButton: 0 });
  return button.accept;
}
