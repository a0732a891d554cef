// Talks to the server's part of the panel, below /lab-panel/.

const TRIES = 6;

export class Api {
  constructor(connection, settings) {
    this.connection = connection;
    this.settings = settings;
    this.base = `${settings.baseUrl}lab-panel/`;
  }

  // An answer that is fine; else an Error whose message a reader can act on.
  async request(address, init = {}) {
    let answer;
    try {
      answer = await this.connection.makeRequest(this.base + address, init, this.settings);
    } catch {
      throw new Error("JupyterLab's server does not answer");
    }
    if (!answer.ok) {
      const told = await answer.json().catch(() => ({}));
      const words = [told.message || `the server answers ${answer.status}`, told.mend];
      throw new Error(words.filter(Boolean).join("; next: "));
    }
    return answer;
  }

  async chapters() { return (await this.request("chapters")).json(); }

  async news(since) { return (await this.request(`messages?since=${since}`)).json(); }

  async solution(chapter) { return (await (await this.request(`solution?chapter=${chapter}`)).json()).solution; }

  stop() { return this.request("run", { method: "DELETE" }); }

  // Run a command; give each thing that its stream says to `say`.
  async run(order, say) {
    await this.follow(await this.request("run", { method: "POST", body: JSON.stringify(order) }), say);
  }

  // The same for the command that runs or ran last; nothing if there was none.
  async join(say) { await this.follow(await this.request("run"), say); }

  // A command outlives a connection that breaks: join it again, from its first line.
  async follow(answer, say) {
    for (let tries = 1; ; tries += 1) {
      try {
        if (answer || (answer = await this.request("run"))) return await read(answer, say);
      } catch (error) {
        if (tries === TRIES) throw error;
        answer = undefined;
        await new Promise(done => setTimeout(done, 1000));
      }
    }
  }
}

async function read(answer, say) {
  if (answer.status === 204) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) say(JSON.parse(line));
  }
}
