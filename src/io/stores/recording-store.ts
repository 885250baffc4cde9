/** A store whose changes are recorded: each object that is removed, and that objects are added, which a repository does all the time. */
import { withoutLogin } from "../../errors/secret.ts";
import { recordChange } from "../audit/audit-trail.ts";
import type { Store } from "./store.ts";

export function recordingStore(store: Store): Store {
  const place = withoutLogin(store.url.replace(/\?.*$/s, ""));
  const added = (): void => recordChange({ action: "add objects", target: place, repeats: true });
  return {
    url: store.url,
    exclusive: store.exclusive,
    list: (prefix, after) => store.list(prefix, after),
    folders: () => store.folders(),
    read: (name, range) => store.read(name, range),
    stream: (name) => store.stream(name),
    async create(name, bytes) {
      const isNew = await store.create(name, bytes);
      if (isNew) added();
      return isNew;
    },
    async upload(name, content) {
      await store.upload(name, content);
      added();
    },
    async remove(name) {
      const removal = await store.remove(name);
      if (removal !== "locked")
        recordChange({ action: removal === "hidden" ? "hide" : "remove", target: `${place}/${name}` });
      return removal;
    },
    close: () => store.close(),
  };
}
