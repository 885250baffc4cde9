/** The agent's kubeconfig, read anew for each connection, because a token may have been renewed; parsed anew when its text has changed. */
import { MendError } from "../../errors/errors.ts";
import { accessOf, type ClusterAccess, unsupportedCredentials } from "../api-server/kubeconfig-access.ts";
import { parsePlainYaml } from "../files/plain-yaml.ts";
import { readTextFile } from "../files/read-file.ts";

export class AgentKubeconfig {
  readonly #path: string;
  readonly #context: string | undefined;
  #parsed: { readonly text: string; readonly value: unknown } | undefined;

  constructor(path: string, context: string | undefined) {
    this.#path = path;
    this.#context = context;
  }

  /** Throws as `readKubeconfig` does. */
  async read(): Promise<ClusterAccess> {
    const text = readTextFile(this.#path);
    if (this.#parsed?.text !== text) this.#parsed = { text, value: await this.#parse(text) };
    const { access, exec } = accessOf(this.#parsed.value, this.#path, this.#context);
    if (exec !== undefined) throw unsupportedCredentials(this.#path, "exec");
    return access;
  }

  async #parse(text: string): Promise<unknown> {
    const plain = parsePlainYaml(text);
    if (plain !== undefined) return plain;
    const { parse } = await import("yaml");
    try {
      return parse(text);
    } catch (cause) {
      throw new MendError("config-invalid", `"${this.#path}" is not YAML`, { hint: "pass a kubeconfig", cause });
    }
  }
}
