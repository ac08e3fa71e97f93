// One tray per job: its events move the bar, show the previews, and bring the pictures at the end.
const order = document.querySelector("#order");
const trays = document.querySelector("#trays");
const trouble = document.querySelector("#trouble");
const PREVIEWS = 5;
const NUMBERS = ["num_inference_steps", "guidance_scale", "seed", "num_images"];

function headers(more = {}) {
  const key = order.key.value.trim();
  return key ? { ...more, Authorization: `Bearer ${key}` } : more;
}

async function ask(url, options = {}) {
  const answer = await fetch(url, { ...options, headers: headers(options.headers) });
  if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.detail ?? `${url} answers ${answer.status}.`);
  return answer;
}

function tell(sentence) {
  trouble.textContent = sentence;
  trouble.hidden = !sentence;
}

function asked() {
  const body = { previews: PREVIEWS };
  for (const [name, value] of new FormData(order)) {
    if (value === "" || name === "key") continue;
    body[name] = NUMBERS.includes(name) ? Number(value) : value;
  }
  return body;
}

class Tray {
  constructor(job) {
    this.job = job;
    this.card = document.querySelector("#tray").content.cloneNode(true).firstElementChild;
    this.card.querySelector("h2").textContent = job.request.prompt;
    this.cancel = this.card.querySelector(".cancel");
    this.cancel.onclick = () => ask(job.urls.cancel, { method: "POST" }).catch((error) => tell(error.message));
    trays.prepend(this.card);
  }

  say(state) {
    this.card.querySelector(".state").textContent = `${state} · seed ${this.job.request.seed}`;
  }

  async show(urls, kind) {
    const files = await Promise.all(urls.map(async (url) => (await ask(url)).blob()));
    const pictures = files.map((file) => {
      const picture = new Image();
      picture.src = URL.createObjectURL(file);
      picture.onload = () => URL.revokeObjectURL(picture.src);
      picture.alt = this.job.request.prompt;
      picture.className = kind;
      return picture;
    });
    if (kind === "preview" && this.isOver) return;
    this.card.querySelector(".pictures").replaceChildren(...pictures);
  }

  async hear(type, data) {
    const bar = this.card.querySelector("progress");
    if (type === "progress" || type === "preview") {
      [bar.value, bar.max] = [data.step, data.total_steps];
      this.say(`step ${data.step} of ${data.total_steps}`);
      if (type === "preview") this.show([data.url], "preview").catch(() => {});
    } else if (["succeeded", "failed", "canceled", "expired"].includes(type)) {
      this.isOver = true;
      await this.end();
    } else {
      this.say(type);
    }
  }

  async end() {
    this.job = await (await ask(this.job.urls.self)).json();
    this.cancel.remove();
    this.say(this.job.error?.message ?? this.job.status);
    this.card.querySelector("progress").remove();
    if (this.job.images.length) await this.show(this.job.images.map((image) => image.url), "picture");
  }

  // EventSource takes no headers, and so no key.
  async watch() {
    let last = "0-0";
    while (!this.isOver) {
      try {
        const answer = await ask(this.job.urls.events, { headers: { "Last-Event-ID": last } });
        if (answer.status === 204) return await this.end();
        let rest = "";
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
          const events = (rest + part.value).split(/\r?\n\r?\n/);
          rest = events.pop();
          for (const event of events) {
            const fields = Object.fromEntries(event.split(/\r?\n/).map((line) => line.match(/^(\w*): ?(.*)$/s)?.slice(1) ?? ["", ""]));
            if (fields.id) last = fields.id;
            if (fields.event) await this.hear(fields.event, JSON.parse(fields.data));
          }
        }
      } catch (error) {
        tell(error.message);
      }
      if (!this.isOver) await new Promise((again) => setTimeout(again, 1000));
    }
  }
}

order.addEventListener("submit", async (event) => {
  event.preventDefault();
  tell("");
  try {
    const answer = await ask("/v1/jobs", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(asked()),
    });
    new Tray(await answer.json()).watch();
  } catch (error) {
    tell(error.message);
  }
});

async function offerModels() {
  const models = (await (await ask("/v1/models")).json()).data;
  order.model.replaceChildren(...models.map((model) => new Option(model.id, model.id, model.darkroom.is_default, model.darkroom.is_default)));
}
order.key.addEventListener("change", () => offerModels().catch((error) => tell(error.message)));
offerModels().catch((error) => tell(error.message));
