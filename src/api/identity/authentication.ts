import { createHash, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../clock.ts'

/** Tells who sends a request: shoppers bring a JWT, operators the admin token. */
export interface Authentication {
  /**
   * The shopper of an `Authorization` header; undefined when no shopper's token is in it.
   * @throws IdentityUnavailableError when the issuer's keys cannot be read now.
   */
  shopper(authorization: string | undefined): Promise<Shopper | undefined>
  /**
   * The same, from memory only, for the hot route: a header that this process has verified before.
   */
  knownShopper(authorization: string | undefined): Shopper | undefined
  isAdmin(authorization: string | undefined): boolean
}

export interface Shopper {
  readonly userId: number
  /** The uid, which no restored copy gives to another user. Messages carry it beside the id. */
  readonly userUid: string
}

/** Reads the tokens of one issuer: our own, or an external identity provider. */
export interface TokenIssuer {
  /**
   * Finds the user of a token; undefined when it is forged, expired, for another audience or of nobody here.
   * @throws IdentityUnavailableError when the issuer's keys cannot be read now.
   */
  identify(token: string): Promise<IdentifiedToken | undefined>
}

export interface IdentifiedToken extends Shopper {
  /** Epoch ms. The token is verified again after this. */
  readonly goodUntil: number
}

/**
 * Thrown when the keys of the external issuer cannot be read, so that a token cannot be checked.
 */
export class IdentityUnavailableError extends Error {
  override readonly name = 'IdentityUnavailableError'
}

export interface AuthenticationOptions {
  readonly issuer: TokenIssuer
  readonly adminToken: string
  readonly clock: Clock
}

const headerLengthMax = 8_192
/** Tokens of the local issuer have some 250 characters, those of others up to some thousand. */
const knownCharactersMax = 64_000_000
/** Shorter ones count as much, so that there are at most 100,000. */
const countedCharactersMin = 640

/**
 * Verifies each token once and remembers its header for as long as it is good: a signature takes
 * longer than the rest of a refusal. The memory ends with the process, and a restore needs all of
 * them stopped.
 */
export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { issuer, clock } = options
  const known = new LRUCache<string, IdentifiedToken>({
    // Not `max`: that makes the room for all at the start, which takes tens of milliseconds.
    maxSize: knownCharactersMax,
    sizeCalculation: (_token, header) => Math.max(header.length, countedCharactersMin),
  })
  const adminDigest = digest(options.adminToken)

  function knownShopper(authorization: string | undefined): Shopper | undefined {
    const entry = authorization === undefined ? undefined : known.get(authorization)
    return entry !== undefined && entry.goodUntil > clock.now() ? entry : undefined
  }

  async function shopper(authorization: string | undefined): Promise<Shopper | undefined> {
    const seen = knownShopper(authorization)
    if (seen !== undefined || authorization === undefined) return seen
    const token = bearer(authorization)
    const identified = token === undefined ? undefined : await issuer.identify(token)
    if (identified === undefined || identified.goodUntil <= clock.now()) return undefined
    known.set(authorization, identified)
    return identified
  }

  return {
    shopper,
    knownShopper,
    isAdmin(authorization) {
      const token = authorization === undefined ? undefined : bearer(authorization)
      return token !== undefined && timingSafeEqual(digest(token), adminDigest)
    },
  }
}

function bearer(authorization: string): string | undefined {
  if (authorization.length > headerLengthMax) return undefined
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1]
}

/**
 * Makes digests of one length, so that the time of the comparison does not tell how long the token
 * is.
 */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
