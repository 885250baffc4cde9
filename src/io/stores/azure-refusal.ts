/** What Azure Blob Storage refuses, by its error codes. */
import { type ErrorCode, MendError } from "../../errors/errors.ts";
import { refusalOf } from "./refusal.ts";
import { placed, type StoreAnswer } from "./store-request.ts";
import { tagText } from "./xml-text.ts";

const KEY_HINT =
  "check the account and AZURE_STORAGE_KEY, the connection string or the SAS token, and the clock of this machine";
const ROLE_HINT =
  "an agent needs to read, list and add blobs (Storage Blob Data Contributor, or a SAS token with rcwl); " +
  "prune also to delete them";

const MEANING: Readonly<Record<string, readonly [ErrorCode, string, string]>> = {
  BlobNotFound: ["not-found", "there is no such object", "check the address"],
  ContainerNotFound: ["store-refused", "there is no such container", "check its name, or create it"],
  ContainerBeingDeleted: ["store-refused", "the container is being deleted", "choose another container"],
  ContainerDisabled: ["store-refused", "the container is disabled", "ask who runs the storage account"],
  AccountIsDisabled: ["store-refused", "the storage account is disabled", "ask who runs the storage account"],
  AuthenticationFailed: ["store-refused", "the key, the token or the time is not accepted", KEY_HINT],
  InvalidAuthenticationInfo: ["store-refused", "the token is not accepted", KEY_HINT],
  NoAuthenticationInformation: ["store-refused", "it requires credentials", KEY_HINT],
  AuthorizationFailure: ["permission-denied", "the credentials do not allow this from here", ROLE_HINT],
  AuthorizationPermissionMismatch: ["permission-denied", "the credentials do not allow this", ROLE_HINT],
  AuthorizationServiceMismatch: ["permission-denied", "the SAS token is for another service", ROLE_HINT],
  AuthorizationResourceTypeMismatch: ["permission-denied", "the SAS token is for other resources", ROLE_HINT],
  AuthorizationProtocolMismatch: ["permission-denied", "the SAS token is for another protocol", ROLE_HINT],
  AuthorizationSourceIPMismatch: ["permission-denied", "the SAS token is for other addresses", ROLE_HINT],
  InsufficientAccountPermissions: ["permission-denied", "the credentials do not allow this", ROLE_HINT],
  KeyBasedAuthenticationNotPermitted: [
    "store-refused",
    "the storage account accepts no keys",
    "give the machine or the pod an identity",
  ],
  BlobImmutableDueToPolicy: [
    "permission-denied",
    "the object is locked by an immutability policy",
    "wait until its retention has ended",
  ],
  BlobImmutableDueToLegalHold: ["permission-denied", "the object is under a legal hold", "ask who placed it"],
  ImmutableStorageWithVersioningNotEnabled: [
    "unsupported",
    "the container has no version-level immutability, so objects cannot be locked",
    "enable it for the container, or remove lock= from the address",
  ],
  RequestBodyTooLarge: ["store-refused", "an object is larger than it accepts", "check the store's limits"],
  Md5Mismatch: ["store-unreachable", "what arrived is not what was sent", "it is tried again by itself"],
  AccountCapacityExceeded: ["no-space", "the storage account is full", "raise its limit, or prune"],
  InsufficientStorage: ["no-space", "it has no space left", "free some space, or prune"],
  ServerBusy: ["store-unreachable", "it asks to slow down", "it is tried again by itself"],
};

/** `where` is what was asked for. */
export function azureRefusal(answer: StoreAnswer, where: string, account: string): MendError {
  const xml = answer.bytes.toString();
  const code =
    answer.headers.get("x-ms-error-code") ??
    tagText(xml, "Code") ??
    (answer.status === 404 ? "BlobNotFound" : answer.status === 403 ? "AuthorizationFailure" : "");
  const known = MEANING[code];
  if (known === undefined) return refusalOf(answer, where, tagText(xml, "Message") ?? code);
  const [mend, text, hint] = known;
  return new MendError(mend, `${placed(where, answer.origin)}, account "${account}": ${text}`, { where, hint });
}
