import { errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { findUsersOf, welcome, type UserOfSubject } from '../../db/user-identities.ts'
import type { NewId } from '../../ids.ts'
import { IdentityUnavailableError, type TokenIssuer } from './authentication.ts'
import { createLookup } from '../lookup.ts'
import type { RemoteKeys } from './remote-keys.ts'

/**
 * Reads the tokens of an identity provider. The first token of a subject makes a user, who is known
 * by (issuer, subject) from then on; no other claim is believed or kept. A restored copy that has
 * forgotten a subject makes a new user for it, so that a token never opens the account of another
 * subject.
 */
export interface ExternalIssuerOptions {
  readonly issuer: string
  readonly audience: string
  readonly keys: RemoteKeys
  readonly database: Database
  readonly clock: Clock
  readonly newId: NewId
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
}

/** Only asymmetric ones are taken: a public key can then never be used as a shared secret. */
const algorithms = ['RS256', 'ES256', 'EdDSA']
/** Seconds that `nbf` may be ahead of our clock: the issuer's may be a little fast. */
const clockToleranceSeconds = 5
/** Ms for which a verified token is remembered: a withdrawn key opens nothing after this. */
const rememberedMs = 10 * 60_000
/**
 * Control characters are refused, because SQLite's `length` ends at the first NUL; so are lone
 * surrogates.
 */
const subjectPattern = /^[^\p{Cc}\p{Cs}]{1,255}$/u

export function createExternalIssuer(options: ExternalIssuerOptions): TokenIssuer {
  const { issuer, audience, keys, database, clock, newId, defer } = options
  const findUser = createLookup<string, UserOfSubject | undefined>({
    database,
    defer,
    read: (subjects) => findUsersOf(issuer, subjects),
  })

  async function check(token: string, key: JWTVerifyGetKey): Promise<JWTPayload> {
    const { payload } = await jwtVerify(token, key, {
      algorithms,
      issuer,
      audience,
      requiredClaims: ['sub', 'exp'],
      currentDate: new Date(clock.now()),
      clockTolerance: clockToleranceSeconds,
    })
    return payload
  }

  async function verified(token: string): Promise<JWTPayload | undefined> {
    try {
      return await check(token, await keys.current())
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) return undefinedUnlessKeyFault(error)
    }
    // The issuer may have published a new key.
    try {
      return await check(token, await keys.renewed())
    } catch (error) {
      return undefinedUnlessKeyFault(error)
    }
  }

  function admit(subject: string): Promise<UserOfSubject> {
    const newcomer = { issuer, subject, email: `${newId()}@users.invalid` }
    return database.transaction(() => welcome(newcomer, clock.now()))
  }

  return {
    async identify(token) {
      const claims = await verified(token)
      if (claims?.exp === undefined) return undefined
      const { exp } = claims
      // An issuer may put any JSON there; jose only checks that the claim exists.
      const subject: unknown = claims.sub
      if (typeof subject !== 'string' || !subjectPattern.test(subject)) return undefined
      const { userId, userUid } = (await findUser(subject)) ?? (await admit(subject))
      return { userId, userUid, goodUntil: Math.min(exp * 1000, clock.now() + rememberedMs) }
    },
  }
}

/**
 * Undefined for a token that is not good. Throws when the fault is the key's, which is the issuer's
 * mistake.
 */
function undefinedUnlessKeyFault(error: unknown): JWTPayload | undefined {
  if (error instanceof errors.JOSEError) return undefined
  if (error instanceof IdentityUnavailableError) throw error
  throw new IdentityUnavailableError('a key of the issuer cannot be used', { cause: error })
}
