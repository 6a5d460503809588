import { domainToASCII, domainToUnicode } from 'node:url'

/** RFC 5321; mail to a longer one goes nowhere. */
const localBytesMax = 64
/** RFC 5322 atoms, and RFC 6531: any letter, mark, digit or sign beyond ASCII. */
const localForm =
  /^(?:[\w!#$%&'*+/=?^`{|}~-]|[^\p{ASCII}\p{C}\p{Z}])+(?:\.(?:[\w!#$%&'*+/=?^`{|}~-]|[^\p{ASCII}\p{C}\p{Z}])+)*$/u
/** The characters of a typed domain; the dots are the four that IDNA (UTS 46) knows. */
const typedDomain = /^[\p{L}\p{M}\p{N}.。．｡-]+$/u
const asciiDomain =
  /^(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])$/

/**
 * The key makes an e-mail address unique: two addresses with the same key reach the same person. The domain is in
 * ASCII, since `用户@例え.jp` and `用户@xn--r8jz45g.jp` are one. The local part is without case and in NFC: RFC 5321
 * leaves its case to the receiving host, and every large provider ignores it. Dots and `+tags` stay, for they differ
 * between providers. Undefined when it is no address.
 */
export function emailKey(address: string): string | undefined {
  const at = address.lastIndexOf('@')
  const local = address.slice(0, Math.max(at, 0)).normalize('NFC')
  const typed = address.slice(at + 1).normalize('NFC')
  if (Buffer.byteLength(local) > localBytesMax) return undefined
  if (!localForm.test(local) || !typedDomain.test(typed)) return undefined
  const domain = domainToASCII(typed)
  if (!asciiDomain.test(domain) || hasUndecodable(domain)) return undefined
  return `${withoutCase(local)}@${domain}`
}

/** Node 24 lets an `xn--` label pass that stands for nothing; Node 20 does not. */
const hasUndecodable = (domain: string): boolean =>
  domainToUnicode(domain)
    .split('.')
    .some((label) => label.startsWith('xn--'))

/** Upper and lower, so that `ß` and `ss`, and both small sigmas, are the same, as Unicode's case folding has it. */
const withoutCase = (text: string): string => text.toUpperCase().toLowerCase().normalize('NFC')
