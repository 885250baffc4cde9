import { randomBytes } from "node:crypto";
import { Decrypter, Encrypter, generateIdentity, identityToRecipient } from "age-encryption";
import { expect, test } from "vitest";
import { decryptAge, encryptAge } from "./age-stream.ts";
import { one, readSealed, sealBytes } from "./seal.ts";

const SIZES = [0, 1, 65535, 65536, 65537, 131072, 300_000];

async function all(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of content) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test.each(SIZES)(
  "%i bytes: what we encrypt, age's own implementation decrypts, and the other way round",
  async (size) => {
    const identity = await generateIdentity();
    const recipient = await identityToRecipient(identity);
    const plain = randomBytes(size);
    const ours = await all(encryptAge(inPieces(plain, 1000), [recipient]));
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    expect(Buffer.from(await decrypter.decrypt(ours)).equals(plain)).toBe(true);

    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    const theirs = await encrypter.encrypt(new Uint8Array(plain));
    expect((await all(decryptAge(inPieces(theirs, 777), [identity], "x"))).equals(plain)).toBe(true);
  },
);

test("every byte that is changed and every end that is cut off is noticed by age alone", async () => {
  const identity = await generateIdentity();
  const stored = await all(encryptAge(one(randomBytes(70_000)), [await identityToRecipient(identity)]));
  for (let at = 0; at < stored.length; at += 997) {
    const changed = Buffer.from(stored);
    changed[at]! ^= 1;
    await expect(all(decryptAge(one(changed), [identity], "x"))).rejects.toThrow(
      /"x" (cannot be decrypted|is encrypted)/,
    );
    await expect(all(decryptAge(one(stored.subarray(0, at)), [identity], "x"))).rejects.toThrow('"x"');
  }
});

test("another identity is named as what is missing", async () => {
  const recipient = await identityToRecipient(await generateIdentity());
  const sealed = await sealBytes(Buffer.from("secret"), [recipient]);
  await expect(readSealed(sealed.bytes, sealed.content, [await generateIdentity()], "x")).rejects.toMatchObject({
    code: "identity-missing",
  });
  await expect(readSealed(sealed.bytes, sealed.content, [], "x")).rejects.toMatchObject({ code: "identity-missing" });
});

test("both of two recipients can read", async () => {
  const identities = [await generateIdentity(), await generateIdentity()];
  const recipients = await Promise.all(identities.map((identity) => identityToRecipient(identity)));
  const sealed = await sealBytes(Buffer.from("secret"), recipients);
  for (const identity of identities) {
    expect(String(await readSealed(sealed.bytes, sealed.content, [identity], "x"))).toBe("secret");
  }
});

test.each([null, "age"])(
  "a sealed content (%s) that was changed, cut off or made longer is refused",
  async (encryption) => {
    const identity = await generateIdentity();
    const recipients = encryption === null ? null : [await identityToRecipient(identity)];
    const plain = Buffer.from("a line\n".repeat(5000));
    const { bytes, content } = await sealBytes(plain, recipients);
    expect(Buffer.from(await readSealed(bytes, content, [identity], "x")).equals(plain)).toBe(true);
    expect(bytes.length).toBeLessThan(1000);
    const broken = [bytes.subarray(0, bytes.length - 1), Buffer.concat([bytes, Buffer.alloc(1)]), Buffer.alloc(0)];
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x40;
      broken.push(changed);
    }
    for (const each of broken) {
      await expect(readSealed(each, content, [identity], "x")).rejects.toMatchObject({
        code: expect.stringMatching(/repository-damaged|identity-missing/),
      });
    }
  },
);
