import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { limits } from './domain/limits.ts'

const portMax = 65_535
const port = z.coerce.number().int().min(0).max(portMax)
/** Requests per second; 0 is off. */
const rate = z.coerce.number().min(0).max(10_000)
const milliseconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max)

const hostAndPort = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/, 'expected host:port')
  .refine((address) => Number(address.split(':').at(-1)) <= portMax, `port up to ${portMax}`)

/** `host:port,host:port`; an empty string is an empty list. */
const addressList = z
  .string()
  .transform((list) => list.split(',').map((entry) => entry.trim()))
  .transform((list) => list.filter((entry) => entry !== ''))
  .pipe(z.array(hostAndPort))

/** `id:secret,id:secret`; the first signs, all of them verify. */
const messageKeys = z
  .string()
  .transform((list) => list.split(',').map((entry) => entry.trim()))
  .pipe(z.array(z.string().regex(/^[a-zA-Z0-9_-]{1,16}:.{16,}$/, 'expected id:secret')).max(8))
  .transform((entries) =>
    entries.map((entry) => {
      const [id = '', ...secret] = entry.split(':')
      return { id, secret: secret.join(':') }
    }),
  )
  .refine((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, 'every id once')

const environmentSchema = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  ROLE: z.enum(['all', 'api', 'worker']).default('all'),
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: port.default(3000),
  DATABASE_PATH: z.string().min(1).default('data/holdfast.db'),
  PAYMENT_SIMULATOR_PATH: z.string().min(1).default('data/payment-simulator.db'),
  PAYMENT_PROVIDER_URL: z.url({ protocol: /^https?$/ }).optional(),
  PAYMENT_WEBHOOK_SECRET: z.string().min(16).optional(),
  BROKER: z.enum(['embedded', 'nsq']).default('embedded'),
  NSQD_TCP_ADDRESSES: addressList.default(['127.0.0.1:4150']),
  NSQD_HTTP_ADDRESSES: addressList.default(['127.0.0.1:4151']),
  NSQLOOKUPD_HTTP_ADDRESSES: addressList.default([]),
  NODE_ID: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,32}$/, '1 to 32 of a-z A-Z 0-9 _ -')
    .optional(),
  ADMIN_PORT: port.optional(),
  TRUSTED_PROXIES: z.coerce.number().int().min(0).max(10).default(0),
  ADMIN_TOKEN: z.string().optional(),
  LOCAL_ISSUER: z.enum(['on', 'off']).optional(),
  JWT_SECRET: z.string().optional(),
  JWT_ISSUER: z.string().max(500).optional(),
  JWT_AUDIENCE: z.string().max(500).optional(),
  JWKS_URL: z.url({ protocol: /^https?$/ }).optional(),
  MESSAGE_KEYS: messageKeys.optional(),
  HOLD_SECONDS: z.coerce
    .number()
    .int()
    .min(limits.holdSecondsMin)
    .max(limits.holdSecondsMax)
    .default(300),
  ADD_TO_CART_WAIT_MS: milliseconds(1, 60_000).default(5000),
  ADD_TO_CART_MAX_AGE_MS: milliseconds(1, 600_000).default(30_000),
  ADD_TO_CART_ROUTING: z
    .enum(['channel-per-product', 'topic-per-product'])
    .default('channel-per-product'),
  ADD_TO_CART_USER_RATE: rate.optional(),
  SHOPPER_RATE: rate.optional(),
  ADDRESS_RATE: rate.default(0),
  PENDING_REPLIES_MAX: z.coerce.number().int().min(1).max(1_000_000).default(20_000),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
})

export interface MessageKey {
  readonly id: string
  readonly secret: string
}

export interface ExternalIssuerConfig {
  /** `iss` of the tokens. */
  readonly issuer: string
  /** `aud` of the tokens. */
  readonly audience: string
  readonly jwksUrl: string
}

/** Everything that can be set from outside. Names and defaults: `.env.example`. */
export interface Config {
  readonly nodeEnv: 'development' | 'test' | 'production'
  readonly role: 'all' | 'api' | 'worker'
  readonly host: string
  readonly port: number
  /** Where the admin routes are served instead, if anywhere else. */
  readonly adminPort: number | undefined
  /** Proxies in front whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: number
  readonly databasePath: string
  readonly paymentSimulatorPath: string
  /** The provider over HTTP; undefined is the simulator inside the process. */
  readonly paymentProviderUrl: string | undefined
  readonly paymentWebhookSecret: string
  readonly broker: 'embedded' | 'nsq'
  readonly nsqdTcpAddresses: readonly string[]
  readonly nsqdHttpAddresses: readonly string[]
  readonly nsqlookupdHttpAddresses: readonly string[]
  readonly nodeId: string
  readonly adminToken: string
  /** Of the local issuer. */
  readonly jwtSecret: string
  /** Who signs the shoppers' tokens, if not we. */
  readonly externalIssuer: ExternalIssuerConfig | undefined
  /** Sign and verify messages; the first signs. */
  readonly messageKeys: readonly MessageKey[]
  readonly holdSeconds: number
  readonly addToCartWaitMs: number
  readonly addToCartMaxAgeMs: number
  readonly addToCartRouting: 'channel-per-product' | 'topic-per-product'
  /** Requests per second and user; 0 is off. */
  readonly addToCartUserRate: number
  /** Other requests per second and shopper; 0 is off. */
  readonly shopperRate: number
  /** Requests per second and address of those who are no known shopper; 0 is off. */
  readonly addressRate: number
  readonly pendingRepliesMax: number
  readonly logLevel: string
  /** Secrets that were made for this run because none was configured; to be printed once. */
  readonly madeSecrets: readonly ('ADMIN_TOKEN' | 'JWT_SECRET')[]
}

/** The process's environment; what a `.env` file in the working directory adds does not override it. */
export function readEnvironment(): Readonly<Record<string, string | undefined>> {
  if (existsSync('.env')) process.loadEnvFile('.env')
  return process.env
}

/** The environment cannot be used; `message` says every reason, one per line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * Reads the environment. `makeSecret` supplies what development may leave out.
 * @throws ConfigError naming every variable that is wrong and every mix that cannot work.
 */
export function loadConfig(
  environment: Readonly<Record<string, string | undefined>>,
  makeSecret: () => string,
): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value?.trim() !== ''),
  )
  const parsed = environmentSchema.safeParse(given)
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'),
    )
  }
  const values = parsed.data
  const problems = impossibleMixes(values)
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))
  const inProduction = values.NODE_ENV === 'production'
  const jwtSecret = values.JWT_SECRET ?? makeSecret()
  const externalIssuer = externalIssuerOf(values)
  const needed = externalIssuer === undefined ? secretNames : (['ADMIN_TOKEN'] as const)
  const madeSecrets = needed.filter((name) => values[name] === undefined)
  return Object.freeze({
    nodeEnv: values.NODE_ENV,
    role: values.ROLE,
    host: values.HOST,
    port: values.PORT,
    databasePath: values.DATABASE_PATH,
    paymentSimulatorPath: values.PAYMENT_SIMULATOR_PATH,
    paymentProviderUrl: values.PAYMENT_PROVIDER_URL,
    paymentWebhookSecret: values.PAYMENT_WEBHOOK_SECRET ?? `webhooks:${jwtSecret}`,
    broker: values.BROKER,
    nsqdTcpAddresses: values.NSQD_TCP_ADDRESSES,
    nsqdHttpAddresses: values.NSQD_HTTP_ADDRESSES,
    nsqlookupdHttpAddresses: values.NSQLOOKUPD_HTTP_ADDRESSES,
    nodeId: values.NODE_ID ?? `${values.ROLE}-${makeSecret().slice(0, 10)}`,
    adminPort: values.ADMIN_PORT,
    trustedProxies: values.TRUSTED_PROXIES,
    adminToken: values.ADMIN_TOKEN ?? makeSecret(),
    jwtSecret,
    externalIssuer,
    messageKeys: values.MESSAGE_KEYS ?? [{ id: 'dev', secret: `messages:${jwtSecret}` }],
    holdSeconds: values.HOLD_SECONDS,
    addToCartWaitMs: values.ADD_TO_CART_WAIT_MS,
    addToCartMaxAgeMs: values.ADD_TO_CART_MAX_AGE_MS,
    addToCartRouting: values.ADD_TO_CART_ROUTING,
    addToCartUserRate: values.ADD_TO_CART_USER_RATE ?? (inProduction ? 20 : 0),
    shopperRate: values.SHOPPER_RATE ?? (inProduction ? 100 : 0),
    addressRate: values.ADDRESS_RATE,
    pendingRepliesMax: values.PENDING_REPLIES_MAX,
    logLevel: values.LOG_LEVEL,
    madeSecrets,
  })
}

type Values = z.infer<typeof environmentSchema>

function externalIssuerOf(values: Values): ExternalIssuerConfig | undefined {
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWKS_URL: jwksUrl } = values
  if (issuer === undefined || audience === undefined || jwksUrl === undefined) return undefined
  return { issuer, audience, jwksUrl }
}

/** Everything in it that nobody may read in a log. */
export function secretsOf(config: Config): readonly string[] {
  const { adminToken, jwtSecret, paymentWebhookSecret, messageKeys } = config
  return [adminToken, jwtSecret, paymentWebhookSecret, ...messageKeys.map(({ secret }) => secret)]
}

function impossibleMixes(values: Values): string[] {
  return [
    ...brokerProblems(values),
    ...issuerProblems(values),
    ...portProblems(values),
    ...pathProblems(values),
    ...(values.NODE_ENV === 'production' ? productionProblems(values) : []),
  ]
}

function brokerProblems(values: Values): string[] {
  const problems: string[] = []
  if (values.BROKER === 'embedded' && values.ROLE !== 'all') {
    problems.push(
      `BROKER=embedded lives inside one process, so ROLE=${values.ROLE} could never be reached: use BROKER=nsq, or ROLE=all`,
    )
  }
  if (values.BROKER === 'nsq' && values.NSQD_TCP_ADDRESSES.length === 0) {
    problems.push('NSQD_TCP_ADDRESSES: BROKER=nsq needs at least one')
  }
  if (values.NSQD_TCP_ADDRESSES.length !== values.NSQD_HTTP_ADDRESSES.length) {
    problems.push(
      'NSQD_TCP_ADDRESSES and NSQD_HTTP_ADDRESSES name the same nsqds in the same order',
    )
  }
  const provides = values.PAYMENT_PROVIDER_URL !== undefined
  if (provides && (values.PAYMENT_WEBHOOK_SECRET ?? values.JWT_SECRET) === undefined) {
    problems.push(
      'PAYMENT_WEBHOOK_SECRET: the provider at PAYMENT_PROVIDER_URL signs its webhooks with it, so it cannot be made here',
    )
  }
  const apart = values.BROKER === 'nsq' && values.ROLE !== 'all'
  const isShared = externalIssuerOf(values) === undefined || values.MESSAGE_KEYS === undefined
  if (apart && isShared && values.JWT_SECRET === undefined) {
    problems.push(
      `JWT_SECRET: with ROLE=${values.ROLE} every process needs the same one, or tokens and messages of one are refused by the others`,
    )
  }
  return problems
}

const externalNames = ['JWT_ISSUER', 'JWT_AUDIENCE', 'JWKS_URL'] as const

function issuerProblems(values: Values): string[] {
  const missing = externalNames.filter((name) => values[name] === undefined)
  const isExternal = missing.length < externalNames.length
  if (isExternal && values.LOCAL_ISSUER === 'on') {
    return ['LOCAL_ISSUER=on and JWKS_URL: tokens come from one issuer, not from two']
  }
  if (isExternal) return missing.map((name) => `${name}: an external issuer needs it, too`)
  return values.LOCAL_ISSUER === 'off'
    ? ['LOCAL_ISSUER=off: without JWT_ISSUER, JWT_AUDIENCE and JWKS_URL nobody could sign in']
    : []
}

function portProblems({ PORT, ADMIN_PORT }: Values): string[] {
  return ADMIN_PORT === PORT && PORT !== 0
    ? ['ADMIN_PORT: it is PORT; leave it away to serve everything on one port']
    : []
}

function pathProblems(values: Values): string[] {
  const { DATABASE_PATH, PAYMENT_SIMULATOR_PATH, PAYMENT_PROVIDER_URL } = values
  if (PAYMENT_PROVIDER_URL !== undefined) return []
  return resolve(DATABASE_PATH) === resolve(PAYMENT_SIMULATOR_PATH)
    ? ['PAYMENT_SIMULATOR_PATH: it is DATABASE_PATH; the simulated provider keeps its own books']
    : []
}

const secretNames = ['ADMIN_TOKEN', 'JWT_SECRET'] as const
/** Longer than every secret in the documentation of this program. */
const secretLengthMin = 32
const loopback = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])[:/]/

function productionProblems(values: Values): string[] {
  const problems = sharedSecrets(values)
  const isLocal = externalNames.every((name) => values[name] === undefined)
  for (const name of secretNames) {
    if (name === 'JWT_SECRET' && !isLocal) continue
    if ((values[name] ?? '').length < secretLengthMin) {
      problems.push(`${name}: production needs one of at least ${secretLengthMin} characters`)
    }
  }
  const webhookSecret = values.PAYMENT_WEBHOOK_SECRET ?? ''
  if (values.PAYMENT_PROVIDER_URL !== undefined && webhookSecret.length < secretLengthMin) {
    problems.push(
      `PAYMENT_WEBHOOK_SECRET: production needs one of at least ${secretLengthMin} characters with PAYMENT_PROVIDER_URL`,
    )
  }
  if (values.BROKER === 'nsq' && values.MESSAGE_KEYS === undefined) {
    problems.push('MESSAGE_KEYS: production needs them with BROKER=nsq')
  }
  for (const { id, secret } of values.MESSAGE_KEYS ?? []) {
    if (secret.length >= secretLengthMin) continue
    problems.push(
      `MESSAGE_KEYS: production needs secrets of at least ${secretLengthMin} characters, ${id} has fewer`,
    )
  }
  if (isLocal && values.ROLE !== 'worker' && values.LOCAL_ISSUER !== 'on') {
    problems.push(
      'LOCAL_ISSUER: with the local issuer anybody can register; say LOCAL_ISSUER=on if production wants that, or set JWT_ISSUER, JWT_AUDIENCE and JWKS_URL',
    )
  }
  const url = values.JWKS_URL ?? 'https:'
  if (!url.startsWith('https:') && !loopback.test(url)) {
    problems.push('JWKS_URL: production needs https, or anybody on the way could sign tokens')
  }
  return problems
}

/** Whoever learns one secret would know another. */
function sharedSecrets(values: Values): string[] {
  const { ADMIN_TOKEN, JWT_SECRET, PAYMENT_WEBHOOK_SECRET, MESSAGE_KEYS = [] } = values
  const named = Object.entries({ ADMIN_TOKEN, JWT_SECRET, PAYMENT_WEBHOOK_SECRET })
  const keys = MESSAGE_KEYS.map(({ id, secret }) => [`MESSAGE_KEYS (${id})`, secret] as const)
  const given = [...named, ...keys].filter(([, secret]) => secret !== undefined)
  return given.flatMap(([name, secret], index) => {
    const twin = given.slice(0, index).find(([, other]) => other === secret)
    return twin === undefined
      ? []
      : [`${name}: production needs another secret there than in ${twin[0]}`]
  })
}
