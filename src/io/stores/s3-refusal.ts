/** What S3 and what speaks it refuse, by their error codes. */
import { type ErrorCode, MendError } from "../../errors/errors.ts";
import { refusalOf } from "./refusal.ts";
import { placed, type StoreAnswer } from "./store-request.ts";
import { tagText } from "./xml-text.ts";

const MEANING: Readonly<Record<string, readonly [ErrorCode, string, string]>> = {
  NoSuchKey: ["not-found", "there is no such object", "check the address"],
  NoSuchBucket: ["store-refused", "there is no such bucket", "check its name, or make it"],
  InvalidAccessKeyId: [
    "store-refused",
    "it does not know the access key",
    "check AWS_ACCESS_KEY_ID, and that the endpoint is the right one",
  ],
  SignatureDoesNotMatch: [
    "store-refused",
    "the secret key is not that of the access key",
    "check AWS_SECRET_ACCESS_KEY",
  ],
  ExpiredToken: ["store-refused", "the credentials have expired", "renew them"],
  InvalidToken: ["store-refused", "the session token is not valid", "check AWS_SESSION_TOKEN"],
  RequestTimeTooSkewed: [
    "store-refused",
    "the clock of this machine is wrong",
    "set the clock, such as with timedatectl",
  ],
  AccessDenied: [
    "permission-denied",
    "the credentials do not allow this",
    "an agent needs s3:PutObject, s3:GetObject and s3:ListBucket; prune also s3:DeleteObject; in a bucket that locks or with " +
      "versions=first also the rights to versions: docs/back-up-continuously.md",
  ],
  PermanentRedirect: [
    "store-refused",
    "the bucket is in another region",
    "set AWS_REGION, or pass ?region= in the address",
  ],
  AuthorizationHeaderMalformed: [
    "store-refused",
    "the bucket is in another region",
    "set AWS_REGION, or pass ?region= in the address",
  ],
  ObjectLockConfigurationNotFoundError: [
    "unsupported",
    "the bucket has no Object Lock, so objects cannot be locked",
    "create a bucket with Object Lock enabled, or remove lock= from the address",
  ],
  QuotaExceeded: ["no-space", "its quota is used up", "raise the quota, or prune"],
  XMinioStorageFull: ["no-space", "it has no space left", "free some space, or prune"],
  EntityTooLarge: ["store-refused", "an object is larger than it takes", "check the store's limits"],
  NotImplemented: [
    "unsupported",
    "it does not know the request",
    "use a store that has conditional writes (If-None-Match)",
  ],
  SlowDown: ["store-unreachable", "it asks to slow down", "it is tried again by itself"],
};

/** `where` is what was asked for, of a bucket that was looked for in `region`. */
export function s3Refusal(answer: StoreAnswer, region: string, where: string): MendError {
  const xml = answer.bytes.toString();
  const code =
    tagText(xml, "Code") ??
    (answer.status === 404
      ? "NoSuchKey"
      : answer.status === 403
        ? "AccessDenied"
        : answer.status === 301
          ? "PermanentRedirect"
          : "");
  const message = tagText(xml, "Message");
  const other = answer.headers.get("x-amz-bucket-region");
  const known = MEANING[code];
  if (known !== undefined) {
    const [mend, text, hint] = known;
    const better = other !== null && /region/.test(text) ? `the bucket is in ${other}, and ${region} was asked` : text;
    return new MendError(mend, `${placed(where, answer.origin)}: ${better}`, { where, hint });
  }
  return refusalOf(answer, where, message ?? code);
}
