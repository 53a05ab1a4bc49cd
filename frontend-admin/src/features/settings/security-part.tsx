import { PasswordInput, Stack } from '@mantine/core'
import { useState } from 'react'
import { dashboards } from '@/api/client'
import { NewPassword } from '@/components/new-password'
import { Panel } from '@/components/panel'
import { Loaded } from '@/components/states'
import { ActForm } from './act-form'
import { SecondFactor } from './second-factor'
import { useMe, useStay } from './use-me'

export function SecurityPart() {
  const query = useMe()
  return (
    <Loaded query={query} what="Your profile">
      {(me) => (
        <Stack>
          <Panel title="Second factor">
            <SecondFactor me={me} />
          </Panel>
          <Panel title="Password">
            <ChangePassword />
          </Panel>
        </Stack>
      )}
    </Loaded>
  )
}

function ChangePassword() {
  const [old, setOld] = useState('')
  const [fresh, setFresh] = useState<string | null>(null)
  const [round, setRound] = useState(0)
  const stay = useStay()

  async function change() {
    const body = { password: old, new_password: fresh ?? '' }
    const { data } = await dashboards.POST('/api/v1/me/password', { body })
    await stay(data?.csrf_token)
    setOld('')
    setFresh(null)
    setRound(round + 1)
  }

  return (
    <ActForm
      action="Change the password"
      ready={old !== '' && fresh !== null}
      act={change}
      done="Changed. Everywhere else you are logged out."
    >
      <PasswordInput
        label="Present password"
        value={old}
        onChange={(event) => setOld(event.currentTarget.value)}
        autoComplete="current-password"
        required
      />
      <NewPassword key={round} choose={setFresh} />
    </ActForm>
  )
}
