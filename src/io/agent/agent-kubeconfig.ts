/** The agent's kubeconfig, read for each connection, because a token may have been renewed; parsed again when its text has changed. */
import { accessOf, type ClusterAccess, unsupportedCredentials } from "../api-server/kubeconfig-access.ts";
import { invalidKubeconfig, parseKubeconfig } from "../api-server/kubeconfig-file.ts";
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
    const { access, exec } = accessOf(parseKubeconfig(this.#parsed.value, this.#path), this.#context);
    if (exec !== undefined) throw unsupportedCredentials(this.#path, "exec");
    return access;
  }

  async #parse(text: string): Promise<unknown> {
    const plain = parsePlainYaml(text);
    if (plain !== undefined) return plain;
    const { readYaml, YamlFault } = await import("../../kube/read-yaml.ts");
    try {
      return readYaml(text);
    } catch (cause) {
      if (cause instanceof YamlFault) throw invalidKubeconfig(this.#path, `is not YAML: ${cause.message}`);
      throw cause;
    }
  }
}
