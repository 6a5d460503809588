import { join } from 'node:path'
import { expect, it } from 'vitest'
import { systemClock } from '../../clock.ts'
import { sendRaw } from '../../../test/support/raw-http.ts'
import { createTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { createSimulatedProvider } from './simulated-provider.ts'
import { createSimulatorServer } from './server.ts'
import { createSimulatorSwitches } from './switches.ts'

it('the simulator says what is wrong with a URL that is none, and serves on', async () => {
  const folder = createTemporaryFolder()
  const path = join(folder.path, 'ledger.db')
  const clock = systemClock
  const provider = createSimulatedProvider({ path, clock, random: () => 0.5 })
  const switches = createSimulatorSwitches()
  const server = createSimulatorServer({ provider, switches, clock, port: 0 })
  await provider.start()
  await server.start()
  try {
    for (const target of ['//', '/payments/%', 'http://[']) {
      const request = `GET ${target} HTTP/1.1\r\nhost: simulator\r\nconnection: close\r\n\r\n`
      expect(await sendRaw(server.url(), request)).toMatchObject({ status: 422 })
    }
    expect((await fetch(`${server.url()}/simulator`)).status).toBe(200)
  } finally {
    await server.stop()
    await provider.stop()
    folder.remove()
  }
})
