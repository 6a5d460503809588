import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'
import { NotInstalledError, prepareVirtualEnvironment } from './virtual-environment.ts'

let folder: TemporaryFolder

beforeEach(() => {
  folder = createTemporaryFolder()
})
afterEach(() => {
  folder.remove()
})

it('says that schemathesis cannot be installed where there is no Python', async () => {
  const requirements = join(folder.path, 'requirements.txt')
  writeFileSync(requirements, `# of the test in ${folder.path}`)
  const prepared = prepareVirtualEnvironment(requirements, { PATH: folder.path })
  await expect(prepared).rejects.toThrow(NotInstalledError)
  // An environment that is not finished is not taken for one.
  const again = prepareVirtualEnvironment(requirements, { PATH: folder.path })
  await expect(again).rejects.toThrow('python3 -m venv')
})
