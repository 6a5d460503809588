import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../../clock.ts'
import type { Service } from '../../lifecycle.ts'
import type { Logger } from '../../logger.ts'
import { IdentityUnavailableError } from './authentication.ts'

/**
 * The public keys of an external issuer, read from its JWKS URL. Once read they are kept through an
 * outage of that host for as long as it takes; `jose`'s own remote set forgets them when they are old.
 */
export interface RemoteKeys extends Service {
  /**
   * The keys as they are known. Old ones are read again behind the caller's back.
   * @throws IdentityUnavailableError when none were ever read.
   */
  current(): Promise<JWTVerifyGetKey>
  /**
   * For a key nobody knows: reads again, unless that was done a moment ago.
   * @throws IdentityUnavailableError when they could not be read.
   */
  renewed(): Promise<JWTVerifyGetKey>
  /** `ok`, or why no token can be verified. */
  status(): string
}

export interface RemoteKeysOptions {
  readonly url: string
  readonly clock: Clock
  readonly logger: Logger
  /** For one reading, connection and body. 3000 unless given. */
  readonly timeoutMs?: number
}

const freshMs = 10 * 60_000
/** An unknown key id costs the issuer a request at most this often, whoever invents them. */
const pauseMs = 10_000
const pauseAfterFailureMs = 1_000
const bodyBytesMax = 64 * 1024

export function createRemoteKeys(options: RemoteKeysOptions): RemoteKeys {
  const { url, clock, logger, timeoutMs = 3_000 } = options
  const stopped = new AbortController()
  let keys: JWTVerifyGetKey | undefined
  let failed = false
  let readAt = -Infinity
  let nextAt = -Infinity
  let reading: Promise<void> | undefined

  /** One reading at a time, and a pause between them. */
  function read(): Promise<void> {
    if (reading === undefined && clock.monotonic() < nextAt) return Promise.resolve()
    reading ??= readOnce().finally(() => {
      reading = undefined
    })
    return reading
  }

  async function readOnce(): Promise<void> {
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), stopped.signal])
      keys = createLocalJWKSet(await download(url, signal))
      readAt = clock.monotonic()
      failed = false
    } catch (error) {
      failed = true
      if (!stopped.signal.aborted) logger.warn({ err: error }, 'keys of the issuer not read')
    }
    nextAt = clock.monotonic() + (failed ? pauseAfterFailureMs : pauseMs)
  }

  function known(): JWTVerifyGetKey {
    if (keys === undefined) throw new IdentityUnavailableError('no keys of the issuer yet')
    return keys
  }

  return {
    name: 'keys of the issuer',
    async current() {
      if (keys === undefined) await read()
      else if (clock.monotonic() - readAt >= freshMs) void read()
      return known()
    },
    async renewed() {
      await read()
      if (failed) throw new IdentityUnavailableError('the issuer does not tell its keys')
      return known()
    },
    status() {
      if (keys === undefined) void read()
      return keys === undefined ? 'no keys of the issuer yet' : 'ok'
    },
    start() {
      // The issuer may be away; then this process is alive and not ready.
      void read()
      return Promise.resolve()
    },
    async stop() {
      stopped.abort()
      await reading
    },
  }
}

async function download(url: string, signal: AbortSignal): Promise<JSONWebKeySet> {
  const headers = { accept: 'application/json' }
  const response = await fetch(url, { headers, signal, redirect: 'error' })
  if (!response.ok) {
    await response.body?.cancel()
    throw new Error(`the JWKS host answered ${response.status}`)
  }
  const jwks = JSON.parse(await readText(response)) as Partial<JSONWebKeySet> | null
  // Nothing to verify with is a mistake over there, and worse than what is known already.
  if (!Array.isArray(jwks?.keys) || jwks.keys.length === 0) throw new Error('no keys in the JWKS')
  return { keys: jwks.keys }
}

async function readText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body ?? []) {
    const bytes = chunk as Uint8Array
    length += bytes.length
    if (length > bodyBytesMax) throw new Error(`the JWKS is larger than ${bodyBytesMax} bytes`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}
