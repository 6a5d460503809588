import type { Mutant } from './mutant.ts'

const sharedPages = {
  file: 'src/api/http/shared-pages.ts',
  suite: 'src/api/http/shared-pages.test.ts',
}

const arrivals = { file: 'src/api/http/arrivals.ts', suite: 'src/api/http/arrivals.test.ts' }

/** Guards of the HTTP server: paths, slow requests, and pages that all share. */
export const httpMutants: readonly Mutant[] = [
  {
    id: 'email-key-is-unique',
    breaks:
      'I14: one person has two accounts, and twice the purchase limit, by writing their address otherwise',
    file: 'migrations/sqlite/0009_email_keys.sql',
    suite: 'src/api/routes/users.test.ts',
    find: 'create unique index users_by_email_key',
    replace: 'create index users_by_email_key',
  },
  {
    id: 'operators-paths-have-one-spelling',
    breaks: 'a proxy’s rule for /v1/admin and /metrics is walked around with another spelling',
    file: 'src/api/http/paths.ts',
    suite: 'src/api/http/spellings.test.ts',
    find: `if (respelt.has(request)) next('router')`,
    replace: `if (request.url === '') next('router')`,
  },
  {
    id: 'paths-have-case',
    breaks: 'a proxy’s rule for /v1/admin and /metrics is walked around in capital letters',
    file: 'src/api/http/app.ts',
    suite: 'src/api/http/spellings.test.ts',
    find: 'Router({ caseSensitive: true, strict: true })',
    replace: 'Router({ caseSensitive: false, strict: true })',
  },
  {
    id: 'arrivals-are-read-first',
    breaks: 'F19: a request that lies unread because the event loop was late is refused with 408',
    ...arrivals,
    find: `    defer(() => {
      defer(task)
    })`,
    replace: '    task()',
  },
  {
    id: 'arrivals-headers',
    breaks: 'F19: headers may drip for as long as they like',
    ...arrivals,
    find: `return socket.bytesRead > connection.endOfLast ? 'headers' : 'idle'`,
    replace: `return 'idle'`,
  },
  {
    id: 'arrivals-body',
    breaks: 'F19: a body may drip for as long as it likes',
    ...arrivals,
    find: `if (!newest.complete) return 'body'`,
    replace: `if (!newest.complete) return 'idle'`,
  },
  {
    id: 'arrivals-silent',
    breaks: 'F22: connections that never send anything take all places',
    ...arrivals,
    find: 'if (silent.size <= silentMax || isMakingRoom) return',
    replace: 'if (silentMax > 0 || isMakingRoom) return',
  },
  {
    id: 'shared-page-version',
    breaks: 'a stock is shown as it was before the hold that was just told',
    ...sharedPages,
    find: 'return (await database.read(readDataVersion)) === page.version',
    replace: 'return (await database.read(readDataVersion)) !== undefined',
  },
  {
    id: 'shared-page-own-commits',
    breaks: 'a page does not show what this process has committed',
    ...sharedPages,
    file: 'src/db/data-version.ts',
    find: 'total_changes()',
    replace: '0',
  },
  {
    id: 'shared-page-other-commits',
    breaks: 'a page does not show what another process has committed',
    ...sharedPages,
    file: 'src/db/data-version.ts',
    find: 'select data_version ||',
    replace: 'select 0 ||',
  },
  {
    id: 'shared-page-begun',
    breaks: 'who asks after a commit is shown what was being read before it',
    ...sharedPages,
    find: `    } finally {
      coming.delete(key)
    }
    const made = await make(page)`,
    replace: `    } finally {
      void coming
    }
    const made = await make(page).finally(() => coming.delete(key))`,
  },
  {
    id: 'shared-page-rests',
    breaks: 'one public page takes the whole event loop while a sale writes',
    ...sharedPages,
    find: 'if (restMs > 0) await wait(clock, restMs)',
    replace: 'if (restMs > 1e9) await wait(clock, restMs)',
  },
]
