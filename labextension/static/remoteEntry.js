/*
 * Runs the cells tagged "autorun" of zlab's own start notebook, so that a newcomer sees messages move.
 *
 * Three must agree, because a link alone must never run code: the server names the notebook ("zlabStart" in the
 * page's configuration, which no link can set), the page was opened on it with ?zlab=run, and its own metadata
 * says zlab.autorun. Written by hand against JupyterLab 4: a module container is an object with init and get.
 */
(() => {
  const config = JSON.parse(document.getElementById('jupyter-config-data')?.textContent || '{}');
  const start = config.zlabStart;
  if (new URLSearchParams(location.search).get('zlab') === 'run') {
    sessionStorage.setItem('zlab', config.treePath); // JupyterLab drops the query; this tab may be reloaded
  }
  const wanted = start && config.treePath === start && sessionStorage.getItem('zlab') === start;
  let shared;

  const opened = (shell, path) =>
    new Promise(resolve => {
      const look = () => {
        for (const widget of shell.widgets('main')) {
          if (widget.context?.path === path && widget.content?.widgets) {
            shell.layoutModified.disconnect(look);
            return resolve(widget);
          }
        }
      };
      shell.layoutModified.connect(look);
      look();
    });

  const run = async app => {
    await app.restored;
    const panel = await opened(app.shell, start);
    await panel.context.ready;
    if (panel.context.model.getMetadata('zlab')?.autorun !== true) return;
    await panel.sessionContext.ready;
    await panel.sessionContext.session?.kernel?.info;
    const cells = panel.content.widgets.filter(
      cell => cell.model.type === 'code' && cell.model.getMetadata('tags')?.includes('autorun')
    );
    if (cells.some(cell => cell.model.outputs.length)) return; // a reload found it as it was
    const { NotebookActions } = (await Object.values(shared['@jupyterlab/notebook'])[0].get())();
    await NotebookActions.runCells(panel.content, cells, panel.sessionContext);
  };

  const plugin = {
    id: 'zlab:start',
    description: 'Runs the start notebook of zlab when the zlab command opened it.',
    autoStart: true,
    activate: app => {
      if (wanted) run(app).catch(reason => console.error('zlab could not run its start notebook:', reason));
    },
  };

  (window._JUPYTERLAB ??= {}).zlab = {
    init: scope => {
      shared = scope;
    },
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
