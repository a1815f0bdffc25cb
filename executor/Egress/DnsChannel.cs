using System.Buffers.Binary;
using RunnerVm.GuestProtocol;

namespace RunnerVm.Egress;

/// <summary>
/// One dns channel: messages with a two-byte length both ways, answered in the order they are ready. At most as many
/// look-ups run as the machine may have; more queries wait in the channel, where its credit bounds them.
/// </summary>
internal sealed class DnsChannel(GuestChannel channel, DnsGate gate, SemaphoreSlim lookups) : IDisposable
{
    private readonly SemaphoreSlim _writing = new(1);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var running = new HashSet<Task>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            var stream = channel.AsStream();
            var prefix = new byte[2];
            while (await stream.ReadAtLeastAsync(prefix, 2, throwOnEndOfStream: false, stop.Token) == 2)
            {
                var message = new byte[BinaryPrimitives.ReadUInt16BigEndian(prefix)];
                if (message.Length > DnsMessage.MaximumQuery) throw new ProtocolException($"The guest sent a DNS query of {message.Length} bytes.");
                await stream.ReadExactlyAsync(message, stop.Token);
                await lookups.WaitAsync(stop.Token);
                running.RemoveWhere(t => t.IsCompleted);
                running.Add(AnswerAsync(message, stop.Token));
            }

            await Task.WhenAll(running);
            channel.End();
        }
        catch (Exception e) when (e is ChannelResetException or OperationCanceledException or EndOfStreamException)
        {
            // The guest, or the machine, is done with it.
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose() => _writing.Dispose();

    private async Task AnswerAsync(byte[] message, CancellationToken cancellationToken)
    {
        try
        {
            if (await gate.AnswerAsync(message, cancellationToken) is not { } answer) return;
            var framed = new byte[2 + answer.Length];
            BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)answer.Length);
            answer.CopyTo(framed, 2);
            await _writing.WaitAsync(cancellationToken);
            try
            {
                await channel.WriteAsync(framed, cancellationToken);
            }
            finally
            {
                _writing.Release();
            }
        }
        finally
        {
            lookups.Release();
        }
    }
}
