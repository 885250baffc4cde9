/** The image that manifests of the node agent name unless set otherwise. */
import packageJson from "../../package.json" with { type: "json" };

/**
 * As `npm run build:image` names what it makes. `localhost` is no registry: a node runs the image that was loaded into
 * it, and never fetches one from a stranger who took the name.
 */
export const CHECKPOINTER_IMAGE = `localhost/kubemend:${packageJson.version}`;
