import { z } from 'zod'
import { emailKey } from '../../db/email-key.ts'
import { currencies } from '../../domain/currency.ts'
import { limits } from '../../domain/limits.ts'

/**
 * The fields that the shapes of the REST contract are made of. Each says in the OpenAPI document what the
 * program takes and no more: the fuzzer of `npm run fuzz-openapi` sends values from the very edge. Patterns
 * are written so that every tool can use them: without `\p{…}` and without look-behind.
 */

/** The id of a row: a number that JavaScript holds exactly. */
export const rowId = z
  .int()
  .min(1)
  .meta({ examples: [1] })

/** A field with another example. */
export const exampled = <T extends z.ZodType>(schema: T, ...examples: readonly unknown[]): T =>
  schema.meta({ ...schema.meta(), examples: [...examples] })

/** Money. It is never negative: nothing is given back by the program. */
export const minor = z
  .int()
  .min(0)
  .describe('Minor units of the currency by ISO 4217: 1999 is 19.99 EUR, 1999 JPY, 1.999 BHD')
  .meta({ examples: [1999] })
/** Units of a product. */
export const units = (example: number) =>
  z
    .int()
    .min(0)
    .meta({ examples: [example] })
export const currency = z
  .string()
  .regex(/^[A-Z]{3}$/, 'three capital letters, ISO 4217')
  .meta({ examples: ['EUR'] })
/** A currency that a new product may have. Products of before keep theirs, so answers have `currency`. */
export const isoCurrency = z
  .enum(currencies)
  .describe('ISO 4217, in capital letters')
  .meta({ examples: ['EUR'] })
const mailbox = "(?:[A-Za-z0-9_'+-]+[.])*[A-Za-z0-9_'+-]*[A-Za-z0-9_+-]"
const domainLabel = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
/**
 * An address of e-mail. A label of its domain has at most 63 characters and no hyphen at its ends (RFC 1035), the
 * part before the `@` has at most 64 (RFC 5321): mail to anything else goes nowhere.
 */
const asciiAddress = `^(?=.{1,64}@)${mailbox}@(?:${domainLabel}[.])+[A-Za-z]{2,63}$`
/** International addresses are taken as well; no pattern says which, so the document shows that of ASCII ones. */
export const email = z
  .string()
  .max(limits.emailLengthMax)
  .refine((text) => emailKey(text) !== undefined, 'an address of e-mail is wanted')
  .describe(
    'International addresses (RFC 6531) are taken as well; one address is one account in any case',
  )
  .meta({ format: 'email', pattern: asciiAddress, examples: ['ann@example.com'] })
/** RFC 9562: capital letters are read, small ones are stored and written. */
export const uuid = z
  .uuid()
  .toLowerCase()
  .meta({ examples: ['0197a1b2-3c4d-7e5f-8a6b-0c1d2e3f4a5b'] })
export const timestamp = z.iso
  .datetime()
  .describe('RFC 3339, UTC')
  .meta({ examples: ['2026-12-12T12:12:00.000Z'] })

/** The blanks that `trim` takes away; control characters are refused anyway. */
const blanks = '\\u0020\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff'
const controls = '\\u0000-\\u001f\\u007f-\\u009f'
/** Text with something to see in it. The parts exclude each other, so that no text takes long to check. */
const visibleText = new RegExp(`^[${blanks}]*[^${controls}${blanks}][^${controls}]*$`)
/** Half of a surrogate pair is no character; the database could not give it back. */
const surrogates = /\p{Cs}/u

/**
 * A line of text that is stored without blanks at its ends. Characters are counted as JSON Schema and the
 * database count them, one for each code point.
 */
export function lineOfText(lengthMax: number, example: string) {
  return z
    .string()
    .regex(visibleText, 'plain text only, and not blank')
    .refine((text) => !surrogates.test(text), 'plain text only')
    .refine((text) => Array.from(text).length <= lengthMax, `at most ${lengthMax} characters`)
    .trim()
    .describe(`1 to ${lengthMax} characters on one line; blanks at the ends are cut off`)
    .meta({ minLength: 1, maxLength: lengthMax, examples: [example] })
}

export const reason = lineOfText(limits.reasonLengthMax, 'Two boxes more were delivered')

/** A number as a path or a query carries it; `Number` alone would also take `0x10`, `1e1` and blanks. */
const digits = z.string().regex(/^\d{1,16}$/, 'digits only')
export const idText = digits
  .transform(Number)
  .pipe(z.int().min(1))
  .meta({
    type: 'integer',
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    override: { examples: [1] },
  })

const fiftyPerPage = limits.pageSizeDefault
export const limit = digits
  .transform(Number)
  .pipe(z.int().min(1).max(limits.pageSizeMax))
  .default(fiftyPerPage)
  .describe('How many items a page has at most')
  .meta({
    type: 'integer',
    minimum: 1,
    maximum: limits.pageSizeMax,
    default: fiftyPerPage,
    override: { examples: [20] },
  })

const leapYears = '(?:19(?:7[26]|8[048]|9[26])|20(?:[02468][048]|[13579][26]))'
const years = '(?:19[7-9][0-9]|20[0-9][0-9])'
const longMonths = '(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])'
const shortMonths = '(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)'
const february = '02-(?:0[1-9]|1[0-9]|2[0-8])'
const date = `(?:${leapYears}-02-29|${years}-(?:${longMonths}|${shortMonths}|${february}))`
/** With leap seconds, which come at the end of an hour or, in zones of half an hour, in its middle. */
const time = '(?:[01][0-9]|2[0-3]):(?:[0-5][0-9]:[0-5][0-9]|(?:29|59):60)(?:\\.[0-9]+)?'
const offset = '(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])'
const instantPattern = new RegExp(`^${date}[Tt]${time}${offset}$`)

/**
 * A time as RFC 3339 writes it, with any offset; it becomes the same time in UTC. The year as it is written is
 * from 1970 to 2099: any other is a typing error, not a sale.
 */
export const instant = (example: string) =>
  z
    .string()
    .regex(instantPattern, 'RFC 3339, with a year from 1970 to 2099')
    .transform((text) => new Date(epochMsOf(text.toUpperCase())).toISOString())
    .describe('RFC 3339 with any offset, years 1970 to 2099')
    .meta({ format: 'date-time', override: { examples: [example] } })

/** `Date.parse` knows no leap seconds; one is the first moment of the next minute. */
function epochMsOf(text: string): number {
  const isLeap = text.slice(17, 19) === '60'
  return isLeap ? Date.parse(`${text.slice(0, 17)}59${text.slice(19)}`) + 1_000 : Date.parse(text)
}
