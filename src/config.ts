import { existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { environmentSchema, type MessageKey, type Values } from './config/environment.ts'
import { impossibleMixes } from './config/impossible-mixes.ts'
import type { AddToCartRoutingSetting } from './domain/flash-sale.ts'
import { misspeltVariables, unknownInFile, type Environment } from './config/misspelt.ts'

export type { MessageKey } from './config/environment.ts'

export interface ExternalIssuerConfig {
  /** The `iss` of the tokens. */
  readonly issuer: string
  /** The `aud` of the tokens. */
  readonly audience: string
  readonly jwksUrl: string
}

/** Everything that can be set from outside. Names and defaults: `.env.example`. */
export interface Config {
  readonly nodeEnv: 'development' | 'test' | 'production'
  readonly role: 'all' | 'api' | 'worker'
  readonly host: string
  readonly port: number
  /** The port of the admin routes and metrics, if they have one of their own. */
  readonly adminPort: number | undefined
  /** The number of proxies whose `X-Forwarded-For` is trusted. */
  readonly trustedProxies: number
  readonly databasePath: string
  readonly paymentSimulatorPath: string
  /** The URL of the provider; undefined means the simulator inside the process. */
  readonly paymentProviderUrl: string | undefined
  /**
   * The secrets of the provider's webhooks; the first signs (in the simulator), all of them verify.
   */
  readonly paymentWebhookSecrets: readonly string[]
  readonly broker: 'embedded' | 'nsq'
  readonly nsqdTcpAddresses: readonly string[]
  readonly nsqdHttpAddresses: readonly string[]
  readonly nsqlookupdHttpAddresses: readonly string[]
  readonly nodeId: string
  readonly adminToken: string
  /** The secret of the local issuer. */
  readonly jwtSecret: string
  /** The external issuer of the shoppers' tokens, if there is one. */
  readonly externalIssuer: ExternalIssuerConfig | undefined
  /** The keys of messages: the first signs, all verify. */
  readonly messageKeys: readonly MessageKey[]
  readonly holdSeconds: number
  readonly addToCartWaitMs: number
  readonly addToCartMaxAgeMs: number
  readonly addToCartRouting: AddToCartRoutingSetting
  /** Requests per second and user; 0 is off. */
  readonly addToCartUserRate: number
  /** Other requests per second and shopper; 0 is off. */
  readonly shopperRate: number
  /** Requests per second and address without a known shopper; 0 is off. */
  readonly addressRate: number
  /** A stop serves for this long with `/readyz` 503, so that balancers notice it. */
  readonly drainDelayMs: number
  /** An idle connection stays open for this long. */
  readonly keepAliveMs: number
  readonly pendingRepliesMax: number
  readonly logLevel: string
  /** Secrets that `makeSecret` supplied because none was configured. */
  readonly madeSecrets: readonly ('ADMIN_TOKEN' | 'JWT_SECRET')[]
}

/** The environment cannot be used; `message` says every reason, one per line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * Reads the process's environment and the `.env` file of the working directory, which overrides nothing.
 * @throws ConfigError when the file cannot be read or names a variable that nobody reads.
 */
export function readEnvironment(): Environment {
  if (!existsSync('.env')) return process.env
  const unknown = unknownInFile(Object.keys(parseEnv(readEnvironmentFile())))
  if (unknown.length > 0) throw new ConfigError(unknown.join('\n'))
  process.loadEnvFile('.env')
  return process.env
}

function readEnvironmentFile(): string {
  try {
    return readFileSync('.env', 'utf8')
  } catch (error) {
    const { code = 'unreadable' } = error as NodeJS.ErrnoException
    throw new ConfigError(`.env: it cannot be read (${code}); make it a readable file or remove it`)
  }
}

/** A secret that was not configured, and what decides where it may come from. */
export interface WantedSecret {
  /** `NODE_ID` is no secret, but it is made the same way. */
  readonly name: 'ADMIN_TOKEN' | 'JWT_SECRET' | 'NODE_ID'
  readonly nodeEnv: Config['nodeEnv']
  readonly databasePath: string
}

/**
 * Reads the configuration. `makeSecret` supplies what development may leave out.
 * @throws ConfigError naming every variable that is wrong and every mix that cannot work.
 */
export function loadConfig(
  environment: Environment,
  makeSecret: (wanted: WantedSecret) => string,
): Config {
  const values = readValues(environment)
  const problems = impossibleMixes(values)
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))
  const make = (name: WantedSecret['name']): string =>
    makeSecret({ name, nodeEnv: values.NODE_ENV, databasePath: values.DATABASE_PATH })
  const inProduction = values.NODE_ENV === 'production'
  const jwtSecret = values.JWT_SECRET ?? make('JWT_SECRET')
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
    paymentWebhookSecrets: values.PAYMENT_WEBHOOK_SECRET ?? [`webhooks:${jwtSecret}`],
    broker: values.BROKER,
    nsqdTcpAddresses: values.NSQD_TCP_ADDRESSES,
    nsqdHttpAddresses: values.NSQD_HTTP_ADDRESSES,
    nsqlookupdHttpAddresses: values.NSQLOOKUPD_HTTP_ADDRESSES,
    nodeId: values.NODE_ID ?? `${values.ROLE}-${make('NODE_ID').slice(0, 10)}`,
    adminPort: values.ADMIN_PORT,
    trustedProxies: values.TRUSTED_PROXIES,
    adminToken: values.ADMIN_TOKEN ?? make('ADMIN_TOKEN'),
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
    drainDelayMs: values.DRAIN_DELAY_MS,
    keepAliveMs: values.KEEP_ALIVE_MS,
    pendingRepliesMax: values.PENDING_REPLIES_MAX,
    logLevel: values.LOG_LEVEL,
    madeSecrets,
  })
}

/** @throws ConfigError when a value has the wrong form, or a variable is probably misspelt. */
function readValues(environment: Environment): Values {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value?.trim() !== ''),
  )
  const { success, data, error } = environmentSchema.safeParse(given)
  const malformed = error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []
  const problems = [...misspeltVariables(environment), ...malformed]
  if (!success || problems.length > 0) throw new ConfigError(problems.join('\n'))
  return data
}

const secretNames = ['ADMIN_TOKEN', 'JWT_SECRET'] as const

function externalIssuerOf(values: Values): ExternalIssuerConfig | undefined {
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWKS_URL: jwksUrl } = values
  if (issuer === undefined || audience === undefined || jwksUrl === undefined) return undefined
  return { issuer, audience, jwksUrl }
}

/** Returns all secrets of the configuration; the log removes them. */
export function secretsOf(config: Config): readonly string[] {
  const { adminToken, jwtSecret, paymentWebhookSecrets, messageKeys } = config
  return [
    adminToken,
    jwtSecret,
    ...paymentWebhookSecrets,
    ...messageKeys.map(({ secret }) => secret),
  ]
}
