using CliWrap;
using CliWrap.Buffered;

namespace RunnerVm.Tests.Executor.Sources.GitLab.Scripts;

/// <summary>Runs a script as the agent would: a file, no input, nothing in the environment but the least.</summary>
internal static class Shell
{
    public static async Task<BufferedCommandResult> RunAsync(string script, string shell = "bash")
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, script);
            return await Cli.Wrap("env").WithArguments(["-i", "PATH=/usr/bin:/bin", "HOME=/tmp", shell, file])
                .WithValidation(CommandResultValidation.None).ExecuteBufferedAsync();
        }
        finally
        {
            File.Delete(file);
        }
    }
}
