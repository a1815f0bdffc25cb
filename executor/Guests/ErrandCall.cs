using RunnerVm.GuestProtocol;

namespace RunnerVm.Guests;

/// <summary>The host's side of one call of the errand command, by whichever program of the guest made it.</summary>
internal static class ErrandCall
{
    /// <exception cref="ProtocolException">It is no call, or larger than one may be.</exception>
    public static async Task<ErrandRequest> ReadAsync(GuestChannel channel, CancellationToken cancellationToken)
    {
        var bytes = new MemoryStream();
        while (await channel.ReadAsync(cancellationToken) is { } piece)
        {
            if (bytes.Length + piece.Bytes.Length > Limits.MaxErrand) throw new ProtocolException($"The guest sent an errand of more than {Limits.MaxErrand} bytes.");
            bytes.Write(piece.Bytes.Span);
        }

        var request = Messages.Read(bytes.ToArray(), Messages.Default.ErrandRequest);
        return request.Arguments.Contains(null!) ? throw new ProtocolException("The guest sent an errand with a missing argument.") : request;
    }

    public static void Answer(GuestChannel channel, int exitCode) => channel.Close(Messages.Write(new ErrandResult { ExitCode = exitCode }, Messages.Default.ErrandResult));
}
