import { expect, test } from "vitest";
import { isAddress, isInNetwork, offsetAddress } from "./ip-network.ts";

test.each([
  ["10.3.0.0/24", 20, "10.3.0.20"],
  ["10.3.0.7/24", 255, "10.3.0.255"],
  ["10.3.0.0/24", 256, undefined],
  ["fd00:10:3::/112", 20, "fd00:10:3::14"],
  ["::/0", 1, "::1"],
  ["2001:db8:0:1:0:0:0:0/64", 1, "2001:db8:0:1::1"],
  ["10.3.0.0", 1, undefined],
  ["10.3.0.0/33", 1, undefined],
  ["10.300.0.0/24", 1, undefined],
  ["nonsense/8", 1, undefined],
])("%s + %i is %s", (network, offset, address) => expect(offsetAddress(network, offset)).toBe(address));

test.each([
  ["10.3.0.20", "10.3.0.0/24", true],
  ["10.3.1.20", "10.3.0.0/24", false],
  ["fd00:10:3::14", "fd00:10:3::/112", true],
  ["10.3.0.20", "fd00:10:3::/112", false],
  ["127.0.0.1", "10.3.0.0/24", false],
])("%s in %s: %s", (address, network, inside) => expect(isInNetwork(address, network)).toBe(inside));

test("addresses are told from names by their form", () => {
  for (const address of ["10.3.0.1", "::", "::1", "fd00:1::a2:3", "1:2:3:4:5:6:7:8"])
    expect(isAddress(address)).toBe(true);
  for (const name of ["master", "10.3.0.256", "10.3.0", "a:b", "1::2::3", "::g", "1:2:3:4:5:6:7:8::", ""]) {
    expect(isAddress(name)).toBe(false);
  }
});
