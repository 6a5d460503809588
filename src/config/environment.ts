import { z } from 'zod'
import { addToCartRoutings } from '../domain/flash-sale.ts'
import { limits } from '../domain/limits.ts'

/** The variables of the environment: their names, the form of their values, and their defaults. */

const shownLengthMax = 40

/** A wrong value as a refusal shows it. Values that may hold a secret are never passed here. */
function shown(text: string): string {
  const cut = text.length > shownLengthMax ? `${text.slice(0, shownLengthMax)}…` : text
  return JSON.stringify(cut)
}

interface Range {
  readonly min: number
  readonly max: number
}

/** Digits only: `1e3`, `0x50` and `80.0` are more likely to be mistakes than numbers. */
function wholeNumber({ min, max }: Range) {
  const wanted = `a whole number from ${min} to ${max} is wanted`
  return numberIn({ min, max }, /^\d{1,12}$/, wanted)
}

function numberIn({ min, max }: Range, form: RegExp, wanted: string) {
  return z.string().transform((text, context) => {
    const value = form.test(text.trim()) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    context.addIssue({ code: 'custom', message: `${wanted}, not ${shown(text)}` })
    return z.NEVER
  })
}

function oneOf<const Names extends readonly [string, ...string[]]>(names: Names) {
  const wanted = `one of ${names.join(', ')} is wanted`
  return z.enum(names, { error: ({ input }) => `${wanted}, not ${shown(String(input))}` })
}

const port = wholeNumber({ min: 0, max: 65_535 })
/** Requests per second; 0 is off. */
const rate = numberIn(
  { min: 0, max: 10_000 },
  /^\d{1,6}(\.\d{1,6})?$/,
  'a number from 0 to 10000 is wanted',
)

/** A URL may carry a password, so a refusal does not show it. */
const webAddress = z.url({
  protocol: /^https?$/,
  error: 'a URL that begins with http:// or https:// is wanted',
})

/** Visible ASCII without spaces: anything else cannot be sent in an `Authorization` header. */
const bearerToken = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'visible ASCII characters without spaces are wanted')

const hostAndPort = /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):(\d{1,5})$/

function isAddress(text: string): boolean {
  const port = Number(hostAndPort.exec(text)?.[2])
  return port >= 1 && port <= 65_535
}

/** `host:port,host:port`; empty entries do not count, and an empty list is possible. */
const addressList = z.string().transform((list, context) => {
  const entries = list.split(',').map((entry) => entry.trim())
  const addresses = entries.filter((entry) => entry !== '')
  for (const [index, address] of addresses.entries()) {
    if (isAddress(address)) continue
    const message = `host:port,host:port is wanted with ports from 1 to 65535, and entry ${index + 1} is not that`
    context.addIssue({ code: 'custom', message })
  }
  if (new Set(addresses).size < addresses.length) {
    context.addIssue({
      code: 'custom',
      message: 'every address is wanted once, and one comes twice',
    })
  }
  return addresses
})

export interface MessageKey {
  readonly id: string
  readonly secret: string
}

const keysMax = 8
const keysWanted =
  'id:secret,id:secret is wanted, ids of 1 to 16 of a-z A-Z 0-9 _ - and secrets of at least 16 characters'

/** `id:secret,id:secret`; the first signs, all of them verify. */
const messageKeys = z.string().transform((list, context) => {
  const keys = list.split(',').map((entry) => messageKey(entry.trim()))
  const known = keys.filter((key) => key !== undefined)
  if (known.length < keys.length) context.addIssue({ code: 'custom', message: keysWanted })
  if (keys.length > keysMax) {
    context.addIssue({ code: 'custom', message: `at most ${keysMax} keys are wanted` })
  }
  if (new Set(known.map(({ id }) => id)).size < known.length) {
    context.addIssue({ code: 'custom', message: 'every id is wanted once, and one comes twice' })
  }
  return known
})

function messageKey(entry: string): MessageKey | undefined {
  const [, id, secret] = /^([a-zA-Z0-9_-]{1,16}):(.{16,})$/.exec(entry) ?? []
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

const webhookSecretsMax = 4

/** `new,old`: the first signs, all of them verify, so that a secret changes without a pause. */
const webhookSecrets = z.string().transform((list, context) => {
  const secrets = list.split(',').map((entry) => entry.trim())
  const add = (message: string): void => {
    context.addIssue({ code: 'custom', message })
  }
  if (secrets.some(({ length }) => length < 16)) {
    add('at least 16 characters are wanted, in each of new,old')
  }
  if (secrets.length > webhookSecretsMax) add(`at most ${webhookSecretsMax} secrets are wanted`)
  if (new Set(secrets).size < secrets.length) {
    add('every secret is wanted once, and one comes twice')
  }
  return secrets
})

const file = z
  .string()
  .refine(
    (path) => path !== ':memory:',
    'the path of a file is wanted, which all connections share',
  )

const name = z.string().max(500, 'at most 500 characters are wanted')

export const environmentSchema = z.object({
  NODE_ENV: oneOf(['development', 'test', 'production']).default('development'),
  ROLE: oneOf(['all', 'api', 'worker']).default('all'),
  HOST: z.string().default('127.0.0.1'),
  PORT: port.default(3000),
  DATABASE_PATH: file.default('data/holdfast.db'),
  PAYMENT_SIMULATOR_PATH: file.default('data/payment-simulator.db'),
  PAYMENT_PROVIDER_URL: webAddress.optional(),
  PAYMENT_WEBHOOK_SECRET: webhookSecrets.optional(),
  BROKER: oneOf(['embedded', 'nsq']).default('embedded'),
  NSQD_TCP_ADDRESSES: addressList.default(['127.0.0.1:4150']),
  NSQD_HTTP_ADDRESSES: addressList.default(['127.0.0.1:4151']),
  NSQLOOKUPD_HTTP_ADDRESSES: addressList.default([]),
  NODE_ID: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,32}$/, '1 to 32 of a-z A-Z 0-9 _ - are wanted')
    .optional(),
  ADMIN_PORT: port.optional(),
  TRUSTED_PROXIES: wholeNumber({ min: 0, max: 10 }).default(0),
  ADMIN_TOKEN: bearerToken.optional(),
  LOCAL_ISSUER: oneOf(['on', 'off']).optional(),
  JWT_SECRET: z.string().optional(),
  JWT_ISSUER: name.optional(),
  JWT_AUDIENCE: name.optional(),
  JWKS_URL: webAddress.optional(),
  MESSAGE_KEYS: messageKeys.optional(),
  HOLD_SECONDS: wholeNumber({ min: limits.holdSecondsMin, max: limits.holdSecondsMax }).default(
    300,
  ),
  ADD_TO_CART_WAIT_MS: wholeNumber({ min: 1, max: 60_000 }).default(5000),
  ADD_TO_CART_MAX_AGE_MS: wholeNumber({ min: 1, max: 600_000 }).default(30_000),
  ADD_TO_CART_ROUTING: oneOf(['auto', ...addToCartRoutings]).default('auto'),
  ADD_TO_CART_USER_RATE: rate.optional(),
  SHOPPER_RATE: rate.optional(),
  ADDRESS_RATE: rate.default(0),
  DRAIN_DELAY_MS: wholeNumber({ min: 0, max: limits.drainDelayMsMax }).default(0),
  KEEP_ALIVE_MS: wholeNumber({ min: 1_000, max: 3_600_000 }).default(65_000),
  PENDING_REPLIES_MAX: wholeNumber({ min: 1, max: 1_000_000 }).default(20_000),
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
})

/** The variables after they were read. */
export type Values = z.infer<typeof environmentSchema>

/** Every variable of this program, by name. */
export const variableNames: readonly string[] = Object.keys(environmentSchema.shape)

/** An external issuer of tokens needs all of them. */
export const externalIssuerNames = ['JWT_ISSUER', 'JWT_AUDIENCE', 'JWKS_URL'] as const

export function hasExternalIssuer(values: Values): boolean {
  return externalIssuerNames.every((name) => values[name] !== undefined)
}
