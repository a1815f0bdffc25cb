using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Files;

/// <summary>One tar in or tar out channel: runs it on a thread of its own and answers with what was done.</summary>
internal static class TarCall
{
    public static Task RunAsync(GuestChannel channel) =>
        Task.Factory.StartNew(() => Run(channel), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static void Run(GuestChannel channel)
    {
        TarResult result;
        using var stream = new BlockingChannelStream(channel);
        try
        {
            result = channel.Kind == ChannelKind.TarIn
                ? Unpack(stream, Messages.Read(channel.Request, Messages.Default.TarInRequest))
                : Pack(stream, Messages.Read(channel.Request, Messages.Default.TarOutRequest));
        }
        catch (Exception e) when (e is LinuxException or TarRefusedException)
        {
            result = new() { Error = e.Message };
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or EndOfStreamException)
        {
            result = new() { Error = "The tar stream is damaged or was cut short." };
        }

        channel.Close(Messages.Write(result, Messages.Default.TarResult));
    }

    private static TarResult Unpack(BlockingChannelStream stream, TarInRequest request)
    {
        using var unpacker = new TarUnpacker(request.Path);
        unpacker.Unpack(stream);
        // The host ends its side behind the archive; padding that follows the end mark is of no interest.
        Span<byte> padding = stackalloc byte[512];
        while (stream.Read(padding) > 0)
        {
        }

        return new() { Files = unpacker.Files, Bytes = unpacker.Bytes };
    }

    private static TarResult Pack(BlockingChannelStream stream, TarOutRequest request)
    {
        using var packer = new TarPacker(request.Path, request.Include, request.Exclude, stream);
        packer.Pack();
        stream.Flush();
        return new() { Files = packer.Files, Bytes = packer.Bytes, Unmatched = [.. packer.Unmatched().Take(100)] };
    }
}

/// <summary>An archive or a request asks for something that is not done; the message is a sentence.</summary>
internal sealed class TarRefusedException(string message) : IOException(message);
