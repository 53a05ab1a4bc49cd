import { Alert, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { accounts } from '@/api/client'
import { useAsk } from '@/components/use-ask'
import { amount } from '@/lib/format'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import type { Account, Jump } from './types'

/** An equity that nothing explains: entries wait until a person says what it was. */
export function JumpAlert({ account, jump }: { account: Account; jump: Jump }) {
  const [flowId, setFlowId] = useState('')
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const mayConfigure = useMay('CONFIGURE')

  function confirm(meaning: 'GAIN_OR_LOSS' | 'FLOW') {
    ask({
      title: 'Say what it was',
      facts: [
        ['Account', `${account.account_id}, ${account.account_type}`],
        ['Equity', `${amount(jump.before)} → ${amount(jump.equity)} ${account.currency}`],
        ['Not explained', `${amount(jump.unexplained)} ${account.currency}`],
        ['It was', meaning === 'FLOW' ? `a payment, ${flowId}` : 'a gain or a loss'],
        ['Then', 'entries of this account go again'],
      ],
      reason: true,
      word: account.account_type === 'LIVE' ? 'LIVE' : undefined,
      action: 'Confirm',
      act: async (reason) => {
        const flow_id = meaning === 'FLOW' ? flowId.trim() : null
        await accounts.POST('/api/v1/accounts/{account_id}/confirm', {
          params: { path: { account_id: account.account_id } },
          body: { jump_id: jump.jump_id, meaning, flow_id, reason },
        })
        await refresh('/api/v1/account', '/api/v1/hierarchy')
      },
    })
  }

  return (
    <Alert color="red" variant="light" role="alert" title="The equity is doubted">
      <Stack gap="sm">
        <Text fz="sm">{jump.sentence} Entries are denied, exits go.</Text>
        {mayConfigure && (
          <Group gap="xs" align="end">
            <Button variant="default" onClick={() => confirm('GAIN_OR_LOSS')}>
              It was a gain or a loss
            </Button>
            <TextInput
              label="Id of the payment"
              value={flowId}
              onChange={(event) => setFlowId(event.currentTarget.value)}
              w={180}
            />
            <Button
              variant="default"
              disabled={flowId.trim() === ''}
              onClick={() => confirm('FLOW')}
            >
              It was a payment
            </Button>
          </Group>
        )}
      </Stack>
      {question}
    </Alert>
  )
}
