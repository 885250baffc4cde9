/** Where the node agent answers unless it is configured otherwise. */
export const AGENT_ADDRESS = "127.0.0.1:10270";
