import { InvalidArgumentError } from "commander";
import { defined } from "../../errors/defined.ts";

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** This machine alone, any free port. */
export const ANY_LOCAL_PORT: ListenAddress = { host: "127.0.0.1", port: 0 };

/** `HOST:PORT`, `:PORT` or `[IPv6]:PORT`. */
export function parseAddress(text: string): ListenAddress {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]*):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65535) throw new InvalidArgumentError("expected HOST:PORT, such as 127.0.0.1:8443");
  const host = defined(match[1]).replace(/^\[|\]$/g, "");
  return { host: host === "" ? ANY_LOCAL_PORT.host : host, port };
}
