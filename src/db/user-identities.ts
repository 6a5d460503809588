import { all, first, padded, placeholders, run, type Script } from './database.ts'
import { createUser } from './users.ts'

/** A user as tokens and messages name them. */
export interface UserOfSubject {
  readonly userId: number
  readonly userUid: string
}

const selectUsers = (count: number) => `
  select i.subject, i.user_id as "userId", u.uid as "userUid"
  from user_identities i join users u on u.id = i.user_id
  where i.issuer = ? and i.subject in (${placeholders(count)})`

/**
 * The user that each subject of an external issuer (`iss`, `sub` of its tokens) is here, if any.
 */
export function* findUsersOf(
  issuer: string,
  subjects: readonly string[],
): Script<readonly (UserOfSubject | undefined)[]> {
  const rows = yield* all<UserOfSubject & { readonly subject: string }>(
    selectUsers(subjects.length),
    issuer,
    ...padded(subjects),
  )
  const users = new Map(rows.map(({ subject, ...user }) => [subject, user]))
  return subjects.map((subject) => users.get(subject))
}

const selectUser = `
  select i.user_id as "userId", u.uid as "userUid"
  from user_identities i join users u on u.id = i.user_id
  where i.issuer = ? and i.subject = ?`
const insertIdentity = `
  insert into user_identities (issuer, subject, user_id, created_at) values (?, ?, ?, ?)`

export interface Newcomer {
  readonly issuer: string
  readonly subject: string
  /** A unique made-up address; the person's own address stays with the issuer. */
  readonly email: string
}

/** Finds the user of the subject, or creates it unless another process has just done so. */
export function* welcome({ issuer, subject, email }: Newcomer, now: number): Script<UserOfSubject> {
  const known = yield* first<UserOfSubject>(selectUser, issuer, subject)
  if (known !== undefined) return known
  const user = yield* createUser({ name: 'Shopper', email }, now)
  if (user === undefined) throw new Error('the address of a newcomer is taken')
  yield* run(insertIdentity, issuer, subject, user.id, now)
  return { userId: user.id, userUid: user.uid }
}
