// What JupyterLab loads: a container of webpack's module federation, by hand, so that no build is needed. JupyterLab
// gives its shared packages to `init` and asks `get` for the extension; the rest is plain modules beside this file.
(() => {
  const here = document.currentScript.src;
  let shared = {};

  // A package of JupyterLab's own, by its name. It offers one version of each.
  const need = async name => {
    const [version] = Object.values(shared[name]);
    return (await version.get())();
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["meta1-lab-panel"] = {
    init: scope => { shared = scope; },
    get: async () => {
      const { makePlugin } = await import(new URL("plugin.js", here));
      const plugin = await makePlugin(need);
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
