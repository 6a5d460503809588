import type { Mutant } from './mutant.ts'

const sharedPages = {
  file: 'src/api/http/shared-pages.ts',
  suite: 'src/api/http/shared-pages.test.ts',
}

/** What is shown to everybody. */
export const httpMutants: readonly Mutant[] = [
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
