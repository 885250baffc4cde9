/** Azurite, Microsoft's own emulator of Azure Storage. */
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../free-ports.ts";

const PROGRAMS = process.env.KUBEMEND_TEST_PROGRAMS || join(import.meta.dirname, "../../.cache/test-programs");
const AZURITE = join(PROGRAMS, "azure/node_modules/azurite/dist/src/blob/main.js");
export const hasAzure = existsSync(AZURITE);

export const ACCOUNT = "backups";
export const KEY = Buffer.from("the key of the account that tests use").toString("base64");

export interface AzureServer {
  /** With the account in its path. */
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** In memory, with these containers. */
export async function startAzure(directory: string, containers: readonly string[]): Promise<AzureServer> {
  const [port] = await freePorts(1);
  const words = ["--inMemoryPersistence", "--blobPort", String(port), "--disableTelemetry", "--silent"];
  const child = spawn(process.execPath, [AZURITE, ...words], {
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, AZURITE_ACCOUNTS: `${ACCOUNT}:${KEY}` },
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const endpoint = `http://127.0.0.1:${port}/${ACCOUNT}`;
  for (let i = 0; ; i++) {
    try {
      await fetch(endpoint);
      break;
    } catch {
      if (i > 600 || child.exitCode !== null) throw new Error(`azurite does not serve: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  for (const container of containers) await createContainer(endpoint, container);
  return {
    endpoint,
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

export function connectionString(endpoint: string, key = KEY): string {
  return `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${key};BlobEndpoint=${endpoint};`;
}

async function createContainer(endpoint: string, container: string): Promise<void> {
  const date = new Date().toUTCString();
  const resource = `/${ACCOUNT}${new URL(endpoint).pathname}/${container}\nrestype:container`;
  const text = ["PUT", ...Array(11).fill(""), `x-ms-date:${date}`, "x-ms-version:2021-12-02", resource].join("\n");
  const signature = createHmac("sha256", Buffer.from(KEY, "base64")).update(text).digest("base64");
  const headers = {
    "x-ms-date": date,
    "x-ms-version": "2021-12-02",
    authorization: `SharedKey ${ACCOUNT}:${signature}`,
  };
  const answer = await fetch(`${endpoint}/${container}?restype=container`, { method: "PUT", headers });
  if (answer.status !== 201) throw new Error(`${container}: ${answer.status} ${await answer.text()}`);
}

/** A service SAS of a container: "Create a service SAS", version 2020-12-06. */
export function sasToken(container: string, permissions: string): string {
  const [start, end] = [Date.now() - 3_600_000, Date.now() + 3_600_000].map(
    (time) => `${new Date(time).toISOString().slice(0, 19)}Z`,
  );
  const resource = `/blob/${ACCOUNT}/${container}`;
  const text = [permissions, start, end, resource, "", "", "", "2020-12-06", "c", "", "", "", "", "", "", ""].join(
    "\n",
  );
  const sig = createHmac("sha256", Buffer.from(KEY, "base64")).update(text).digest("base64");
  return new URLSearchParams({ sp: permissions, st: start!, se: end!, sv: "2020-12-06", sr: "c", sig }).toString();
}
