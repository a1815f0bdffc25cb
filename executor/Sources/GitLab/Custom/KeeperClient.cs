using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace RunnerVm.Sources.GitLab.Custom;

/// <summary>One call to the keeper of a job's machine.</summary>
internal sealed class KeeperClient(string path)
{
    private static readonly KeeperReply Gone = new(0, "The job's machine is gone: nothing answers for it any more. 'prepare' may have failed, or its time was over.", Lost: true);

    /// <summary>Runs a script and passes its output on. SIGTERM and SIGINT stop it, and its end is still waited for.</summary>
    public async Task<KeeperReply> RunAsync(string stage, ReadOnlyMemory<byte> script)
    {
        if (await ConnectAsync() is not { } link) return Gone;
        using (link)
        {
            using var term = StopBy(PosixSignal.SIGTERM, link);
            using var interrupt = StopBy(PosixSignal.SIGINT, link);
            try
            {
                await link.SendAsync(KeeperLink.Call, new(stage, script.Length), KeeperJson.Default.KeeperCall, CancellationToken.None);
                await link.SendAsync(KeeperLink.Script, script, CancellationToken.None);
                return await ReadAsync(link);
            }
            catch (SocketException)
            {
                return Gone;
            }
        }
    }

    /// <summary>Ends the machine; returns when nothing is left of it, at once when there is none.</summary>
    public async Task EndAsync()
    {
        if (await ConnectAsync() is not { } link) return;
        using (link)
        {
            try
            {
                await link.SendAsync(KeeperLink.Call, new("", -1), KeeperJson.Default.KeeperCall, CancellationToken.None);
                // The connection ends with the keeper's process.
                while (await link.ReceiveAsync(CancellationToken.None) is not null)
                {
                }
            }
            catch (SocketException)
            {
                // Gone already.
            }
        }
    }

    private async Task<KeeperLink?> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
            return new(socket);
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    private static async Task<KeeperReply> ReadAsync(KeeperLink link)
    {
        await using var output = Console.OpenStandardOutput();
        await using var error = Console.OpenStandardError();
        while (await link.ReceiveAsync(CancellationToken.None) is var (type, content))
        {
            if (type == KeeperLink.Reply) return JsonSerializer.Deserialize(content, KeeperJson.Default.KeeperReply) ?? Gone;
            await (type == KeeperLink.Error ? error : output).WriteAsync(content);
        }

        return Gone;
    }

    private static PosixSignalRegistration StopBy(PosixSignal signal, KeeperLink link) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        _ = link.SendAsync(KeeperLink.Stop, ReadOnlyMemory<byte>.Empty, CancellationToken.None);
    });
}
