// A real proxy with real backends and a paced load, on free ports of this machine; all of it ends with the test.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { until } from "./wait.js";

// PROFILE=release where speed is the point.
const PROFILE = process.env.PROFILE ?? "debug";
const PROGRAMS = fileURLToPath(new URL(`../../../target/${PROFILE}/`, import.meta.url));

/** One rollout that waits at 20 % for a person. */
export const HELD = { strategy: { canary: { steps: [{ setWeight: 20 }, { pause: {} }] } } };

/** One that walks by itself in a few seconds. */
export const WALKING = {
  strategy: {
    canary: {
      steps: [{ setWeight: 20 }, { pause: { duration: "2s" } }, { setWeight: 60 }, { pause: { duration: "2s" } }],
      bake: "1s",
    },
  },
};

export const program = (name) => join(PROGRAMS, name);

/** Whatever ends this process ends those that it started too. */
const started = new Set();
process.on("exit", () => started.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

export class Stage {
  /** `rollout` is merged into the only rollout; `rollouts` gives all of them, from the addresses of the backends. */
  static async start({ rollout = HELD, stable = "v1", canary = "v2", rollouts, admin = {} } = {}) {
    const stage = new Stage();
    stage.folder = await mkdtemp(join(tmpdir(), "sluice-browser-"));
    [stage.port, stage.adminPort, stage.stablePort, stage.canaryPort] = await freePorts(4);
    stage.children = [];
    stage.run("demo-backend", `127.0.0.1:${stage.stablePort}`, stable);
    stage.run("demo-backend", `127.0.0.1:${stage.canaryPort}`, canary);
    const arm = (version, port) => ({ version, endpoints: [`127.0.0.1:${port}`] });
    const one = {
      name: "shop",
      stable: arm(stable, stage.stablePort),
      canary: arm(canary, stage.canaryPort),
      analysis: { successRate: { min: "99%" }, latency: { quantile: 0.95, max: "200ms" } },
      ...rollout,
    };
    stage.config = {
      listeners: [{ address: `127.0.0.1:${stage.port}` }],
      admin: { address: `127.0.0.1:${stage.adminPort}`, ...admin },
      stateDir: join(stage.folder, "state"),
      workers: 1,
      rollouts: rollouts?.(arm, stage) ?? [one],
    };
    const { rollouts: all } = stage.config;
    if (all.length > 1)
      stage.config.routes = all.map(({ name }) => ({
        hosts: [`${name}.example`],
        paths: [{ prefix: "/" }],
        rollout: name,
      }));
    writeFileSync(join(stage.folder, "sluice.yaml"), JSON.stringify(stage.config));
    await Promise.all(
      [stage.stablePort, stage.canaryPort].map((port) =>
        until("the backend listens", () => ask(port, "GET", "/healthz").then(({ status }) => status === 200)),
      ),
    );
    await stage.startProxy();
    return stage;
  }

  async startProxy() {
    this.proxy = this.run("sluice-proxy", "run", join(this.folder, "sluice.yaml"));
    await until("the proxy is ready", () => ask(this.adminPort, "GET", "/readyz").then(({ status }) => status === 200));
    this.token = readFileSync(join(this.folder, "state", "admin.token"), "utf8").trim();
  }

  async killProxy() {
    const ended = once(this.proxy, "exit");
    this.proxy.kill("SIGKILL");
    await ended;
  }

  run(name, ...words) {
    const log = openSync(join(this.folder, `${name}.log`), "a");
    const child = spawn(program(name), words, { stdio: ["ignore", log, log], env: { ...process.env, NO_COLOR: "1" } });
    this.children.push(child);
    started.add(child);
    child.on("exit", () => started.delete(child));
    return child;
  }

  /** The address of the page. */
  page(fragment = "") {
    return `http://127.0.0.1:${this.adminPort}/${fragment}`;
  }

  /** The same with the token, as the proxy prints it. */
  pageWithToken() {
    return this.page(`#token=${this.token}`);
  }

  async status(name = "shop") {
    return JSON.parse(
      (await ask(this.adminPort, "GET", `/v1/rollouts/${name}`, { Authorization: `Bearer ${this.token}` })).body,
    );
  }

  async command(verb, body = {}, name = "shop") {
    const answer = await ask(
      this.adminPort,
      "POST",
      `/v1/rollouts/${name}/${verb}`,
      { Authorization: `Bearer ${this.token}`, "Content-Type": "application/json" },
      JSON.stringify(body),
    );
    if (answer.status !== 200) throw new Error(`${verb}: ${answer.status} ${answer.body}`);
  }

  /** Makes an arm fail this share of its requests, or answer later. */
  async behave(arm, query) {
    await ask(arm === "stable" ? this.stablePort : this.canaryPort, "POST", `/control?${query}`);
  }

  /** Sends requests at a pace until the stage is closed; counts who answered. */
  load(perSecond) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
    const seen = { stable: 0, canary: 0, other: 0 };
    const [stable, canary] = [this.config.rollouts[0].stable.version, this.config.rollouts[0].canary?.version];
    const send = () =>
      ask(this.port, "GET", "/", {}, undefined, agent).then(
        ({ body }) =>
          (seen[
            body.includes(`version ${stable}`) ? "stable" : body.includes(`version ${canary}`) ? "canary" : "other"
          ] += 1),
        () => (seen.other += 1),
      );
    this.loads = [...(this.loads ?? []), setInterval(send, 1000 / perSecond)];
    return seen;
  }

  async close() {
    (this.loads ?? []).forEach(clearInterval);
    const ended = this.children
      .filter((child) => child.exitCode === null && child.signalCode === null)
      .map((child) => once(child, "exit"));
    this.children.forEach((child) => child.kill("SIGKILL"));
    await Promise.all(ended);
    await rm(this.folder, { recursive: true, force: true });
  }
}

export function ask(port, method, path, headers = {}, body = undefined, agent = undefined) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: "127.0.0.1", port, method, path, headers, agent, timeout: 5_000 },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (piece) => (text += piece));
        response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
        response.on("error", reject);
      },
    );
    request.on("error", reject);
    request.on("timeout", () => request.destroy(new Error("no answer")));
    request.end(body);
  });
}

/** Held all at once, so that no two of them are the same. */
async function freePorts(number) {
  const servers = await Promise.all(
    Array.from({ length: number }, async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
