import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../../clock.ts'
import type { Service } from '../../lifecycle.ts'
import type { Logger } from '../../logger.ts'
import { IdentityUnavailableError } from './authentication.ts'

/**
 * The public keys of an external issuer, read from its JWKS URL. They are kept through an outage of
 * that host, however long it is; `jose`'s own remote set forgets old keys.
 */
export interface RemoteKeys extends Service {
  /**
   * Returns the known keys. Old ones are read again in the background.
   * @throws IdentityUnavailableError when none were ever read.
   */
  current(): Promise<JWTVerifyGetKey>
  /**
   * Reads the keys again for an unknown key id, unless they were read a moment ago.
   * @throws IdentityUnavailableError when they could not be read.
   */
  renewed(): Promise<JWTVerifyGetKey>
  /** Returns `ok`, or the reason why no token can be verified. */
  status(): string
}

export interface RemoteKeysOptions {
  readonly url: string
  readonly clock: Clock
  readonly logger: Logger
  /** A reading may take this long, connection and body. 3000 unless given. */
  readonly timeoutMs?: number
}

const freshMs = 10 * 60_000
/** Unknown key ids cause a request to the issuer at most this often. */
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

  /** Reads the keys, one reading at a time and with a pause between them. */
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
      // The start does not wait: without the issuer this process is alive and not ready.
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
  // An empty key set is a mistake of the issuer, and the known keys are better.
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
